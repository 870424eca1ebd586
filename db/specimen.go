package db

import (
	"strings"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// specimen is a value such as Clerk sends for the attribute. It is not known
// where only the data can tell: in metadata, and for an id of the app's own.
func specimen(a reconcile.Attribute) (v reconcile.Value, known bool) {
	switch a.Kind() {
	case reconcile.Bool:
		return reconcile.BoolValue(true), true
	case reconcile.Number:
		return reconcile.NumberValue("100"), true
	case reconcile.Time:
		return reconcile.TimeValue(1_719_835_200_123), true
	case reconcile.JSON:
		if strings.HasSuffix(a.String(), "_metadata") || a.String() == "scim" {
			return reconcile.JSONValue(`{"specimen":["a",1,true,null]}`), true
		}
		return reconcile.JSONValue(`[{"id":"specimen","object":"specimen"}]`), true
	case reconcile.Text:
		text, special := textSpecimens[a.String()]
		if !special {
			text = "Specimen"
		}
		return reconcile.TextValue(text), text != ""
	default:
		return reconcile.Value{}, false
	}
}

// textSpecimens are those of the texts that are not just words; "" is not known.
var textSpecimens = map[string]string{
	"id":                       "user_29w83sxmDNGwOuEthce5gg56FcC",
	"external_id":              "",
	"primary_email_address":    "specimen@example.com",
	"primary_email_address_id": "idn_29w83yL7CwVlJXylYLxcslromF1",
	"primary_phone_number":     "+15555550100",
	"primary_phone_number_id":  "idn_29w83yL7CwVlJXylYLxcslromF2",
	"primary_web3_wallet":      "0x0123456789abcdef0123456789abcdef01234567",
	"primary_web3_wallet_id":   "idn_29w83yL7CwVlJXylYLxcslromF3",
	"username":                 "specimen",
	"locale":                   "en-US",
	"image_url":                "https://img.clerk.com/specimen",
	"profile_image_url":        "https://img.clerk.com/specimen",
	"object":                   "user",
}

// suits names column types for the attribute, for those who look for one.
func suits(a reconcile.Attribute) string {
	switch a.Kind() {
	case reconcile.Bool:
		return "boolean"
	case reconcile.Number:
		return "integer"
	case reconcile.Time:
		return "timestamptz or bigint (milliseconds)"
	case reconcile.JSON:
		return "jsonb or text"
	default:
		return "text"
	}
}
