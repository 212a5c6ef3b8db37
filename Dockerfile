# The operator's image: its binary, the libraries that it is linked with, certificates and time
# zones. There is no shell in it. Two ways to the same files:
#
#   docker build .                       compiles in Rust's own image; needs Docker and nothing else
#   docker build --target prebuilt --build-arg ROOTFS=rootfs.tar DIR
#                                        takes DIR/rootfs.tar, made by hack/images/operator/rootfs
#                                        of a binary that was built on this machine
#
# Build arguments: VERSION, COMMIT and SOURCE (the repository's address) for the labels, and
# SOURCE_DATE_EPOCH, the commit's time. The same commit then gives the same files.
ARG RUST=rust:1.95-bookworm

FROM scratch AS base
ARG VERSION=unknown
ARG COMMIT=unknown
ARG SOURCE=
LABEL org.opencontainers.image.title="sluice" \
      org.opencontainers.image.description="Kubernetes operator for stream ingestion into Kafka" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${COMMIT}"
# OpenSSL is linked statically and knows no place of its own for them.
ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
USER 10001:10001
ENTRYPOINT ["/usr/local/bin/sluice"]
CMD ["run"]

# Builders without BuildKit also run this stage on their way to the last one: they need a file.
FROM base AS prebuilt
ARG ROOTFS=Dockerfile
ADD ${ROOTFS} /

FROM ${RUST} AS build
ARG COMMIT=unknown
ARG SOURCE_DATE_EPOCH=0
WORKDIR /usr/src/sluice
# Rust's image has both; a smaller one may not.
RUN { [ -e /etc/ssl/certs/ca-certificates.crt ] && [ -e /usr/share/zoneinfo ]; } || { \
      apt-get update -q && \
      apt-get install -q --yes --no-install-recommends ca-certificates tzdata; }
COPY . .
RUN SLUICE_COMMIT=${COMMIT} cargo build --release --locked --package sluice && \
    hack/images/operator/rootfs target/release/sluice /rootfs.tar && \
    mkdir /rootfs && tar -C /rootfs -xf /rootfs.tar

FROM base
COPY --from=build /rootfs/ /
