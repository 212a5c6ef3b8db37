# The operator. The binary is built on the host, `cargo build --release --package sluice`, and the
# context is the directory it is in. Nothing but the C library, zlib, time zones and the
# certificates are needed beside it, so any Debian 12 base will do.
ARG BASE=debian:bookworm-slim
FROM ${BASE}
COPY sluice /usr/local/bin/sluice
USER 10001:10001
ENTRYPOINT ["/usr/local/bin/sluice"]
CMD ["run"]
