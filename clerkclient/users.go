package clerkclient

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// maxIDs is how many ids Clerk takes in one request.
const maxIDs = 100

// Lookup implements reconcile.Source.
func (c *Client) Lookup(ctx context.Context, ids []string) ([]reconcile.User, error) {
	asked := make(map[string]struct{}, len(ids))
	unique := make([]string, 0, len(ids))
	for _, id := range ids {
		if !reconcile.IsUserID(id) {
			return nil, errors.New("look up users: an id is not of Clerk's form (user_...)")
		}
		if _, again := asked[id]; !again {
			asked[id] = struct{}{}
			unique = append(unique, id)
		}
	}
	users := make([]reconcile.User, 0, len(unique))
	for chunk := range slices.Chunk(unique, maxIDs) {
		found, err := c.lookup(ctx, chunk)
		if err != nil {
			return nil, fmt.Errorf("look up %d users: %w", len(unique), err)
		}
		users = append(users, found...)
	}
	return users, nil
}

// lookup asks for at most a hundred ids.
func (c *Client) lookup(ctx context.Context, ids []string) ([]reconcile.User, error) {
	left := make(map[string]struct{}, len(ids))
	for _, id := range ids {
		left[id] = struct{}{}
	}
	var users []reconcile.User
	for {
		// Without the limit Clerk answers ten of them, and ninety would look gone.
		values := url.Values{"limit": {strconv.Itoa(maxIDs)}, "user_id": ids}
		found, err := c.page(ctx, c.plan, values)
		if err != nil {
			return nil, err
		}
		for _, u := range found.users {
			if _, ok := left[u.ID]; !ok {
				return nil, fmt.Errorf("%w: it holds a user that was not asked for, or one twice; "+
					"does the server ignore user_id?", errNotClerk)
			}
			delete(left, u.ID)
		}
		users = append(users, found.users...)
		if !mayBeCapped(len(found.users), len(left)) {
			return users, nil
		}
		ids = slices.DeleteFunc(slices.Clone(ids), func(id string) bool { _, ok := left[id]; return !ok })
	}
}

// mayBeCapped reports whether an answer that lacks some of the users may have
// been cut by a server with a limit of its own: such limits are round
// numbers. The rest is then asked for again, so that nobody looks gone who is not.
func mayBeCapped(found, missing int) bool {
	return missing > 0 && found > 0 && found%5 == 0
}

// page asks for a list of users.
func (c *Client) page(ctx context.Context, p *plan, values url.Values) (page, error) {
	var got page
	asked := &call{path: "/users", decode: func(body []byte) (err error) {
		got, err = decodeUsers(p, body)
		return err
	}}
	if err := c.do(ctx, values, asked); err != nil {
		return page{}, err
	}
	got.took = asked.took
	return got, nil
}

// Get implements reconcile.Source.
func (c *Client) Get(ctx context.Context, id string) (reconcile.User, error) {
	return c.one(ctx, id, c.plan)
}

// Details is Get for attributes of the caller's own, whose order the user's Values have.
func (c *Client) Details(ctx context.Context, id string, attributes []reconcile.Attribute) (reconcile.User, error) {
	return c.one(ctx, id, c.planOf(attributes))
}

// planOf is how users are decoded for these attributes.
func (c *Client) planOf(attributes []reconcile.Attribute) *plan {
	p := newPlan(slices.Concat(attributes, c.verified))
	p.verified = len(c.verified) > 0
	return p
}

func (c *Client) one(ctx context.Context, id string, plan *plan) (reconcile.User, error) {
	if !reconcile.IsUserID(id) {
		return reconcile.User{}, errors.New("get a user: the id is not of Clerk's form (user_...)")
	}
	var user reconcile.User
	err := c.get(ctx, "/users/"+id, func(body []byte) (err error) {
		if user, err = decodeUser(plan, body); err == nil && user.ID != id {
			err = fmt.Errorf("%w: it is another user", errNotClerk)
		}
		return err
	})
	var e *Error
	switch {
	case err == nil:
		return user, nil
	case errors.As(err, &e) && e.Status == http.StatusNotFound && e.Code == "resource_not_found":
		return reconcile.User{}, fmt.Errorf("get user %s: %w: %w", id, reconcile.ErrGone, err)
	}
	return reconcile.User{}, fmt.Errorf("get user %s: %w", id, err)
}

// FindByEmail returns the users that have this e-mail address, primary or
// not, without regard to case. Usually that is one or none.
func (c *Client) FindByEmail(ctx context.Context, email string) ([]reconcile.User, error) {
	email = strings.TrimSpace(email)
	if email == "" {
		return nil, errors.New("find a user by e-mail address: the address is empty")
	}
	// Clerk compares exactly, and keeps most addresses in lower case.
	spellings := slices.Compact([]string{email, strings.ToLower(email)})
	found, err := c.page(ctx, c.emailPlan, url.Values{"limit": {strconv.Itoa(maxIDs)}, "email_address": spellings})
	if err != nil {
		return nil, fmt.Errorf("find a user by e-mail address: %w", err)
	}
	// A server that ignores the filter answers with anybody.
	users := slices.DeleteFunc(found.users, func(u reconcile.User) bool {
		return !hasEmail(u.Values[c.attributes].Str, email)
	})
	for i := range users {
		users[i].Values = users[i].Values[:c.attributes]
	}
	return users, nil
}

func hasEmail(addresses, email string) bool {
	var list []struct {
		Email string `json:"email_address"`
	}
	if json.Unmarshal([]byte(addresses), &list) != nil {
		return false
	}
	for _, a := range list {
		if strings.EqualFold(a.Email, email) {
			return true
		}
	}
	return false
}
