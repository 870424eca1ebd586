// Package dockertest checks the Dockerfile where there is no container engine: it reads it, does what its build stage
// does, and runs the program that comes out. It holds tests alone.
package dockertest
