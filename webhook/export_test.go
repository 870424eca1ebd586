package webhook

// Unpack returns a payload as it came, for the tests outside the package.
func Unpack(kept []byte) ([]byte, error) {
	c, err := newCodec()
	if err != nil {
		return nil, err
	}
	return c.unpack(kept)
}
