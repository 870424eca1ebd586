package reconcile

import (
	"fmt"
	"slices"
	"strings"
)

// Attribute is something of a Clerk user that a column can hold: a field of
// Clerk's User by its API name, a dotted path into one of the three metadata
// objects, or one of the derived attributes (see [AttributeNames]).
// Attributes are made by [ParseAttribute] and can be compared with ==.
type Attribute struct {
	name string
}

// String returns the attribute as the configuration writes it.
func (a Attribute) String() string { return a.name }

// Field returns the top-level field of Clerk's User, or the derived
// attribute's name; for public_metadata.plan it is public_metadata.
func (a Attribute) Field() string {
	field, _, _ := strings.Cut(a.name, ".")
	return field
}

// Path returns the keys below the metadata object, nil for a whole field.
func (a Attribute) Path() []string {
	_, rest, ok := strings.Cut(a.name, ".")
	if !ok {
		return nil
	}
	return strings.Split(rest, ".")
}

// Kind returns what the attribute's values are when they are not null, and
// Null when only the data can tell (a path into metadata).
func (a Attribute) Kind() ValueKind {
	if strings.Contains(a.name, ".") {
		return Null
	}
	return attributeKinds[a.name]
}

// Volatile reports whether the attribute changes without the profile changing:
// a difference in volatile attributes alone is no finding.
func (a Attribute) Volatile() bool {
	switch a.name {
	case "updated_at", "last_active_at", "last_sign_in_at":
		return true
	}
	return false
}

// Nullable reports whether Clerk may have no value for the attribute.
func (a Attribute) Nullable() bool {
	if strings.Contains(a.name, ".") {
		return true
	}
	return !slices.Contains(neverNull, a.name)
}

// The attributes that every mapping needs, whatever its columns are.
var (
	AttributeID        = Attribute{"id"}
	AttributeUpdatedAt = Attribute{"updated_at"}
)

// When the user was last seen, which people want to know of a user whether or not
// a column holds it.
var (
	AttributeLastActiveAt = Attribute{"last_active_at"}
	AttributeLastSignInAt = Attribute{"last_sign_in_at"}
)

// attributeKinds lists the fields of Clerk's User object (Backend API
// 2025-04-10) and the derived attributes, with the kind of their values.
var attributeKinds = map[string]ValueKind{
	"id": Text, "object": Text, "external_id": Text,
	"primary_email_address_id": Text, "primary_phone_number_id": Text, "primary_web3_wallet_id": Text,
	"username": Text, "first_name": Text, "last_name": Text, "locale": Text,
	"profile_image_url": Text, "image_url": Text, "has_image": Bool,
	"public_metadata": JSON, "private_metadata": JSON, "unsafe_metadata": JSON,
	"email_addresses": JSON, "phone_numbers": JSON, "web3_wallets": JSON, "passkeys": JSON,
	"external_accounts": JSON, "saml_accounts": JSON, "enterprise_accounts": JSON,
	"organization_memberships": JSON, "scim": JSON,
	"password_enabled": Bool, "two_factor_enabled": Bool, "totp_enabled": Bool, "backup_code_enabled": Bool,
	"banned": Bool, "locked": Bool, "deprovisioned": Bool, "bypass_client_trust": Bool,
	"delete_self_enabled": Bool, "create_organization_enabled": Bool, "create_organizations_limit": Number,
	"lockout_expires_in_seconds": Number, "verification_attempts_remaining": Number,
	"mfa_enabled_at": Time, "mfa_disabled_at": Time, "password_last_updated_at": Time, "legal_accepted_at": Time,
	"last_sign_in_at": Time, "last_active_at": Time, "created_at": Time, "updated_at": Time,

	"primary_email_address": Text, "primary_phone_number": Text, "primary_web3_wallet": Text,
	"full_name": Text, "email_verified": Bool,
}

// neverNull are the attributes that Clerk always sends a value for.
var neverNull = []string{
	"id", "object", "created_at", "updated_at", "has_image", "password_enabled", "two_factor_enabled",
	"totp_enabled", "backup_code_enabled", "banned", "locked", "delete_self_enabled",
	"create_organization_enabled", "email_addresses", "phone_numbers", "web3_wallets", "passkeys",
	"external_accounts", "saml_accounts", "enterprise_accounts", "public_metadata", "email_verified",
}

// metadataFields are the objects into which a dotted path may lead.
var metadataFields = []string{"public_metadata", "private_metadata", "unsafe_metadata"}

// AttributeNames returns every attribute that needs no path, sorted.
func AttributeNames() []string {
	names := make([]string, 0, len(attributeKinds))
	for name := range attributeKinds {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// ParseAttribute reads an attribute as the configuration writes it. The error
// names the nearest attribute where there is one.
func ParseAttribute(s string) (Attribute, error) {
	field, path, dotted := strings.Cut(s, ".")
	if _, known := attributeKinds[field]; !known {
		return Attribute{}, unknownAttribute(s, field)
	}
	if !dotted {
		return Attribute{s}, nil
	}
	if !slices.Contains(metadataFields, field) {
		return Attribute{}, fmt.Errorf("attribute %q cannot exist: a path leads only into %s",
			s, strings.Join(metadataFields, ", "))
	}
	if slices.Contains(strings.Split(path, "."), "") {
		return Attribute{}, fmt.Errorf("attribute %q has an empty step: write it like %s.plan", s, field)
	}
	return Attribute{s}, nil
}

func unknownAttribute(s, field string) error {
	if near := Nearest(field, AttributeNames()); near != "" {
		return fmt.Errorf("unknown Clerk attribute %q: did you mean %q?", s, near)
	}
	return fmt.Errorf("unknown Clerk attribute %q: use a field of Clerk's User by its API name "+
		"(first_name), a path such as public_metadata.plan, or primary_email_address, "+
		"primary_phone_number, primary_web3_wallet, full_name, email_verified", s)
}
