package clerksim

import (
	"encoding/json"
	"net/http"
)

func (s *Sim) post(w http.ResponseWriter, r *http.Request) error {
	var n NewUser
	if err := decode(r, &n); err != nil {
		return err
	}
	b, _ := s.JSON(s.Create(n))
	s.write(w, r, http.StatusOK, b)
	return nil
}

func (s *Sim) patch(w http.ResponseWriter, r *http.Request) error {
	var c Patch
	if err := decode(r, &c); err != nil {
		return err
	}
	if s.Update(r.PathValue("id"), c) != nil {
		return errCursor
	}
	return s.get(w, r)
}

func (s *Sim) remove(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	if s.Delete(id) != nil {
		return errCursor
	}
	s.write(w, r, http.StatusOK, map[string]any{"object": "user", "id": id, "deleted": true})
	return nil
}

func decode(r *http.Request, v any) error {
	if err := json.NewDecoder(http.MaxBytesReader(nil, r.Body, 1<<20)).Decode(v); err != nil {
		return &apiError{status: http.StatusBadRequest, code: "request_body_invalid", message: "The request body is invalid."}
	}
	return nil
}
