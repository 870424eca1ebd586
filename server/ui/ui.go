// Package ui holds the dashboard: plain HTML, CSS and JavaScript modules that are
// embedded as they are. Nothing is built and nothing is loaded from elsewhere.
package ui

import (
	"embed"
	"io/fs"
)

//go:embed static
var embedded embed.FS

// Files returns the dashboard's files: index.html and login.html, which the server
// shows at / and at /login, and everything that they load below /ui/. They hold no data.
func Files() fs.FS {
	files, err := fs.Sub(embedded, "static")
	if err != nil { // "static" is a valid name, so this cannot be
		return embedded
	}
	return files
}
