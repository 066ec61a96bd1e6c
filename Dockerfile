# An image with the program alone. How to run it, and with which restrictions:
# docs/containers.md.
FROM rust:1.95-slim AS build
WORKDIR /src
COPY . .
# Linked statically, so that it needs no system around it.
ENV RUSTFLAGS="-C target-feature=+crt-static"
RUN target=$(uname -m)-unknown-linux-gnu \
    && cargo build --release --locked --target "$target" \
    && strip -o /host "target/$target/release/host"

FROM scratch
COPY --from=build /host /usr/local/bin/host
# Nobody in particular, who owns nothing.
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/host"]
