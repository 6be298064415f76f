# A node of Headcount. Node runs the TypeScript as it is, so nothing is built.
#   docker build --tag headcount .
#   docker run --publish 8080:8080 --volume headcount:/data headcount      one node, keeping its data in the volume
# Several nodes: docker-compose.yml.

FROM node:24.21.0-bookworm-slim AS packages
WORKDIR /headcount
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --omit=optional --ignore-scripts --no-audit --no-fund

FROM node:24.21.0-bookworm-slim
# It gives freed memory back to the system, where glibc keeps much of it: a third less with ten million players (decision 26).
RUN apt-get update \
  && apt-get install --yes --no-install-recommends libjemalloc2 \
  && rm --recursive --force /var/lib/apt/lists/*
ENV LD_PRELOAD=libjemalloc.so.2
ENV NODE_ENV=production HEADCOUNT_HOST=0.0.0.0 HEADCOUNT_DATA_DIR=/data
WORKDIR /headcount
COPY --from=packages /headcount/node_modules node_modules
COPY package.json LICENSE ./
COPY engine engine
COPY cluster cluster
COPY node node
RUN install --directory --owner=node --group=node /data
USER node
EXPOSE 8080
# Alive, not ready: a node that waits for the store, or drains, must not be restarted for it.
HEALTHCHECK --interval=5s --timeout=2s --start-period=10s --retries=3 \
  CMD ["node", "-e", "const { HEADCOUNT_PORT: port = 8080, HEADCOUNT_TLS_CERT: tls } = process.env; require(tls ? 'https' : 'http').get({ host: '127.0.0.1', port, path: '/livez', rejectUnauthorized: false }, ({ statusCode }) => process.exit(statusCode === 200 ? 0 : 1)).on('error', () => process.exit(1))"]
# Node itself is process 1, so that SIGTERM reaches it: it drains and exits 0.
# A small young generation, as in the start script: what requests leave behind is collected before it takes tens of megabytes.
ENTRYPOINT ["node", "--max-semi-space-size=2", "node/headcount.js"]
