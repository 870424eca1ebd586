// Package deploy holds the tests of the files beside it: each is read by the libraries of the program that it is for
// (Docker Compose, kustomize, the Kubernetes API server, Prometheus, Grafana), and held against Rollcall itself. It is a
// module of its own, so that nobody who builds Rollcall needs those.
package deploy
