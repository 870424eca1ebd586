// Package config reads Rollcall's configuration: defaults first, the file on
// top, ${VAR} expanded in values after parsing, and every problem reported at
// once with its line and its cure. It opens no connection: whether a URL, a
// table or a key works is for the packages that use it to find out.
package config
