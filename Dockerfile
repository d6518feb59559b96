# docker build -t tasmart .
# docker run --rm --init --env-file tasmart.env -v "$PWD/config.json:/etc/tasmart/config.json:ro" tasmart
ARG NODE_VERSION=24

FROM node:${NODE_VERSION}-slim AS build
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts
COPY tsconfig.json ./
COPY scripts ./scripts
COPY sql ./sql
COPY src ./src
RUN npm run build

# The bundle holds its dependencies: the image needs no node_modules, and has no embedded PostgreSQL.
FROM node:${NODE_VERSION}-slim
ENV NODE_ENV=production
COPY --from=build /build/dist /opt/tasmart/dist
COPY package.json LICENSE /opt/tasmart/
COPY sql /opt/tasmart/sql
# config.json is looked for here.
WORKDIR /etc/tasmart
USER node
ENTRYPOINT ["node", "--", "/opt/tasmart/dist/cli.js"]
CMD ["poll"]
