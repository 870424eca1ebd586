# Rollcall in a container: one static program, nothing else to run or to patch.
# Configuration comes from the environment alone: CLERK_SECRET_KEY, DATABASE_URL, and ROLLCALL_CONFIG_YAML, which holds
# the text of config.yaml where the defaults do not do. Time zones are inside the program (Go's time/tzdata).
#
#   docker build --build-arg VERSION="$(git describe --tags --always)" -t rollcall .

FROM golang:1.26 AS build
WORKDIR /src
# The dependencies come first, so that a change of the code does not fetch them again.
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=dev
RUN CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags "-s -w -X main.version=${VERSION}" -o /out/rollcall .
# The CA certificates are for TLS to Clerk and the database, /tmp for SQLite and the demo.
RUN mkdir -p /out/etc/ssl/certs /out/tmp && chmod 1777 /out/tmp && cp /etc/ssl/certs/ca-certificates.crt /out/etc/ssl/certs/

FROM scratch
COPY --from=build /out/ /
# By number, so that Kubernetes' runAsNonRoot can tell.
USER 65532:65532
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s CMD ["/rollcall", "healthcheck"]
ENTRYPOINT ["/rollcall"]
