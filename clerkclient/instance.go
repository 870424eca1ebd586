package clerkclient

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// Count implements reconcile.Source.
func (c *Client) Count(ctx context.Context) (int64, error) { return c.count(ctx, nil) }

// CountCreated returns how many of the users that there are were created between two
// moments. Whether it includes them Clerk does not say.
func (c *Client) CountCreated(ctx context.Context, after, before time.Time) (int64, error) {
	return c.count(ctx, url.Values{"created_at_after": {strconv.FormatInt(after.UnixMilli(), 10)},
		"created_at_before": {strconv.FormatInt(before.UnixMilli(), 10)}})
}

func (c *Client) count(ctx context.Context, filter url.Values) (int64, error) {
	var n int64
	err := c.do(ctx, filter, &call{path: "/users/count", decode: func(body []byte) (err error) {
		n, err = decodeCount(body)
		return err
	}})
	if err != nil {
		return 0, fmt.Errorf("count users: %w", err)
	}
	return n, nil
}

// decodeCount reads {"total_count": n}, bare or in "data".
func decodeCount(body []byte) (int64, error) {
	type count struct {
		Total *int64 `json:"total_count"`
	}
	var sent struct {
		count
		Data *count `json:"data"`
	}
	if err := json.Unmarshal(body, &sent); err != nil {
		return 0, fmt.Errorf("%w: no object with a whole number as total_count", errNotClerk)
	}
	total := sent.Total
	if total == nil && sent.Data != nil {
		total = sent.Data.Total
	}
	switch {
	case total == nil:
		return 0, fmt.Errorf("%w: it has no total_count", errNotClerk)
	case *total < 0:
		return 0, fmt.Errorf("%w: total_count is negative", errNotClerk)
	}
	return *total, nil
}

// Instance implements reconcile.Source.
func (c *Client) Instance(ctx context.Context) (reconcile.Instance, error) {
	var sent struct {
		ID          string `json:"id"`
		Environment string `json:"environment_type"`
	}
	err := c.get(ctx, "/instance", func(body []byte) error {
		if json.Unmarshal(body, &sent) != nil {
			return errors.New("no object with an id")
		}
		return nil
	})
	switch {
	case isStatus(err, http.StatusNotFound, http.StatusMethodNotAllowed):
		return reconcile.Instance{}, fmt.Errorf("ask for the instance: %w: %w", reconcile.ErrNoInstance, err)
	case err != nil:
		return reconcile.Instance{}, fmt.Errorf("ask for the instance: %w", err)
	case sent.ID == "":
		return reconcile.Instance{}, fmt.Errorf("ask for the instance: %w: the answer has no id", reconcile.ErrNoInstance)
	}
	return reconcile.Instance{ID: sent.ID, Environment: sent.Environment}, nil
}
