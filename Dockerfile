# An image with the program alone. How to run it, and with which restrictions:
# docs/containers.md.
FROM rust:1.95-slim AS build
WORKDIR /src
COPY . .
RUN cargo build --release --locked && strip -o /host target/release/host

FROM debian:trixie-slim
COPY --from=build /host /usr/local/bin/host
# Nobody in particular, who owns nothing.
USER 65532:65532
ENTRYPOINT ["host"]
