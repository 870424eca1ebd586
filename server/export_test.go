package server

// NewServer is what Serve serves with, for tests of its time limits.
var NewServer = newServer
