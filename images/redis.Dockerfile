# The Redis of docker-compose.yaml where Docker is all there is. `make images` packs this machine's redis-server instead, without the network.
FROM redis:7.4.2-alpine
LABEL org.opencontainers.image.title=redis
USER 65532:65532
# The image's own one changes the user.
ENTRYPOINT []
CMD ["redis-server"]
