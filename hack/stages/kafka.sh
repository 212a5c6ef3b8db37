# shellcheck shell=bash
# The jars of Kafka and Kafka Connect, for the tests' broker and for the image.
title="fetching Kafka $KAFKA_VERSION"
inputs=("$HACK/kafka/pom.xml" "$KAFKA_VERSION")
outputs=("$KAFKA/libs" "$KAFKA/plugins/connect-file")

build() {
  # Into a directory beside it first: jars of another version must not stay.
  rm -rf "$KAFKA.new"
  mvn --batch-mode --no-transfer-progress --file "$HACK/kafka/pom.xml" \
    "-Dkafka.version=$KAFKA_VERSION" "-Dout=$KAFKA.new" package
  rm -rf "$KAFKA"
  mv "$KAFKA.new" "$KAFKA"
}
