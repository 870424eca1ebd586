package alert

import "context"

// Note brings what was fed into the store, and sends nothing.
func Note(ctx context.Context, k *Keeper) error { return k.note(ctx) }
