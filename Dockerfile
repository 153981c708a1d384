# Builds the image of one program from source, with Docker alone:
#   docker build --build-arg SERVICE=producer-svc -t blindseq/producer-svc:dev .
# `docker compose up --build` does so for all. SERVICE is producer-svc, proposer-svc, monitor-svc, api-gw or dsn-node. With Go and make, `make images` builds
# all of them without the network.
ARG GO_VERSION=1.26.8
FROM golang:${GO_VERSION}-bookworm AS build
WORKDIR /src
COPY . .
# From here on each program has layers of its own. They share what was downloaded and compiled.
ARG SERVICE
ARG VERSION=dev
ARG REVISION=unknown
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    go build -trimpath -buildvcs=false -tags netgo,osusergo,static_build,grpcnotrace \
      -ldflags "-s -w -X blindseq/kit/service.Version=${VERSION} -X blindseq/kit/service.Revision=${REVISION} -linkmode external -extldflags '-static'" \
      -o /out/program "./${SERVICE}/cmd/${SERVICE}" \
 && /out/program --sbom >/out/sbom.json && mkdir /out/data

FROM scratch
ARG SERVICE
ARG VERSION=dev
ARG REVISION=unknown
LABEL org.opencontainers.image.title="${SERVICE}" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /out/program /usr/local/bin/blindseq
COPY --from=build /out/sbom.json /sbom.json
# A new volume mounted here gets the owner of this directory.
COPY --from=build --chown=65532:65532 /out/data /data
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/blindseq"]
