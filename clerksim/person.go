package clerksim

import (
	"encoding/json"
	"strconv"
)

// person is a user before it is written as JSON.
type person struct {
	id                       string
	order                    int // among users of one millisecond
	created, updated         int64
	lastSignIn, lastActive   int64 // 0 is null
	first, last              *string
	username, externalID     *string
	emails, phones, wallets  []string
	primaryEmail             int // index of emails
	primaryPhone             int
	danglingEmail            bool // a primary_email_address_id without its address
	verified                 bool
	public, private, unsafe  string // JSON objects
	provider                 string
	external, banned, locked bool
}

func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c == '"' || c == '\\' {
			quoted, _ := json.Marshal(s) // a string always marshals
			return append(b, quoted...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}

func appendNullable(b []byte, s *string) []byte {
	if s == nil {
		return append(b, "null"...)
	}
	return appendString(b, *s)
}

func appendTime(b []byte, ms int64, seconds bool) []byte {
	if ms == 0 {
		return append(b, "null"...)
	}
	if seconds {
		ms /= 1000
	}
	return strconv.AppendInt(b, ms, 10)
}

// part is the id of something that belongs to a user: idn_..., eac_...
func (p *person) part(prefix string, i int) string {
	return prefix + p.id[5:] + strconv.Itoa(i)
}

// Clerk's image addresses hold a signed JSON object in base64, some 200 characters.
const (
	imageStart = "https://img.clerk.com/eyJ0eXBlIjoicHJveHkiLCJzcmMiOiJodHRwczovL2ltYWdlcy5jbGVyay5kZXYvb2F1dGhf"
	imageEnd   = "LnBuZyIsInMiOiJrV0pQb0xkZGJ5Y1ZQZ2tSVWhMRk9xR2ZJSmhUY0xQdlV4Q0RjM1pJc2JjVTgifQ"
)

// append writes the user as Clerk's API does.
func (p *person) append(b []byte, seconds bool) []byte {
	key := func(name string) { b = append(append(b, name...), ':') }
	b = append(b, '{')
	key(`"id"`)
	b = appendString(b, p.id)
	b = append(b, `,"object":"user","username":`...)
	b = appendNullable(b, p.username)
	b = append(b, `,"first_name":`...)
	b = appendNullable(b, p.first)
	b = append(b, `,"last_name":`...)
	b = appendNullable(b, p.last)
	image := imageStart + p.id[5:] + imageEnd
	b = append(b, `,"locale":null,"profile_image_url":`...)
	b = appendString(b, image)
	b = append(b, `,"image_url":`...)
	b = appendString(b, image)
	b = append(b, `,"has_image":true,"primary_email_address_id":`...)
	switch {
	case p.danglingEmail:
		b = appendString(b, p.part("idn_x", 0))
	case len(p.emails) > 0:
		b = appendString(b, p.part("idn_e", p.primaryEmail))
	default:
		b = append(b, "null"...)
	}
	b = append(b, `,"primary_phone_number_id":`...)
	if len(p.phones) > 0 {
		b = appendString(b, p.part("idn_p", p.primaryPhone))
	} else {
		b = append(b, "null"...)
	}
	b = append(b, `,"primary_web3_wallet_id":`...)
	if len(p.wallets) > 0 {
		b = appendString(b, p.part("idn_w", 0))
	} else {
		b = append(b, "null"...)
	}
	b = append(b, `,"password_enabled":true,"two_factor_enabled":false,"totp_enabled":false,"backup_code_enabled":false,"email_addresses":[`...)
	if !p.danglingEmail {
		for i, address := range p.emails {
			b = p.appendContact(b, i, p.part("idn_e", i), "email_address", "email_address", address, seconds)
		}
	}
	b = append(b, `],"phone_numbers":[`...)
	for i, number := range p.phones {
		b = p.appendContact(b, i, p.part("idn_p", i), "phone_number", "phone_number", number, seconds)
	}
	b = append(b, `],"web3_wallets":[`...)
	for i, wallet := range p.wallets {
		b = p.appendContact(b, i, p.part("idn_w", i), "web3_wallet", "web3_wallet", wallet, seconds)
	}
	b = append(b, `],"passkeys":[],"external_accounts":[`...)
	if p.external && len(p.emails) > 0 {
		b = p.appendExternal(b, seconds)
	}
	b = append(b, `],"saml_accounts":[],"enterprise_accounts":[],"organization_memberships":[],"public_metadata":`...)
	b = append(b, p.public...)
	b = append(b, `,"private_metadata":`...)
	b = append(b, p.private...)
	b = append(b, `,"unsafe_metadata":`...)
	b = append(b, p.unsafe...)
	b = append(b, `,"external_id":`...)
	b = appendNullable(b, p.externalID)
	b = append(b, `,"last_sign_in_at":`...)
	b = appendTime(b, p.lastSignIn, seconds)
	b = append(b, `,"banned":`...)
	b = strconv.AppendBool(b, p.banned)
	b = append(b, `,"locked":`...)
	b = strconv.AppendBool(b, p.locked)
	b = append(b, `,"deprovisioned":false,"bypass_client_trust":false,"lockout_expires_in_seconds":null,"verification_attempts_remaining":100,"created_at":`...)
	b = appendTime(b, p.created, seconds)
	b = append(b, `,"updated_at":`...)
	b = appendTime(b, p.updated, seconds)
	b = append(b, `,"delete_self_enabled":true,"create_organization_enabled":true,"create_organizations_limit":null,"last_active_at":`...)
	b = appendTime(b, p.lastActive, seconds)
	return append(b, `,"mfa_enabled_at":null,"mfa_disabled_at":null,"password_last_updated_at":null,"legal_accepted_at":null,"scim":null}`...)
}

func (p *person) appendContact(b []byte, i int, id, object, field, address string, seconds bool) []byte {
	if i > 0 {
		b = append(b, ',')
	}
	b = append(b, `{"id":`...)
	b = appendString(b, id)
	b = append(append(append(b, `,"object":"`...), object...), `","`...)
	b = append(append(b, field...), `":`...)
	b = appendString(b, address)
	status := "verified"
	if !p.verified {
		status = "unverified"
	}
	if object == "phone_number" {
		b = append(b, `,"reserved_for_second_factor":false,"default_second_factor":false,"backup_codes":null`...)
	}
	if object != "web3_wallet" {
		b = append(b, `,"reserved":false`...)
	}
	b = append(append(append(b, `,"verification":{"object":"verification_otp","status":"`...), status...), `","strategy":"`...)
	strategy := map[string]string{"email_address": "email_code", "phone_number": "phone_code", "web3_wallet": "web3_metamask_signature"}[object]
	if object == "web3_wallet" {
		b = b[:len(b)-len(`","strategy":"`)-len(status)-len(`{"object":"verification_otp","status":"`)]
		b = append(append(append(b, `{"object":"verification_web3","status":"`...), status...), `","strategy":"`...)
	}
	b = append(append(b, strategy...), `","attempts":1,"expire_at":`...)
	b = appendTime(b, p.created+600_000, seconds)
	if object == "web3_wallet" {
		b = append(b, `,"nonce":"n"`...)
	}
	b = append(b, '}')
	if object != "web3_wallet" {
		b = append(b, `,"linked_to":[]`...)
	}
	if object == "email_address" {
		b = append(b, `,"matches_sso_connection":false`...)
	}
	b = append(b, `,"created_at":`...)
	b = appendTime(b, p.created, seconds)
	b = append(b, `,"updated_at":`...)
	b = appendTime(b, p.updated, seconds)
	return append(b, '}')
}

func (p *person) appendExternal(b []byte, seconds bool) []byte {
	b = append(b, `{"object":"external_account","id":`...)
	b = appendString(b, p.part("eac_", 0))
	b = append(append(append(b, `,"provider":"oauth_`...), p.provider...), `","identification_id":`...)
	b = appendString(b, p.part("idn_x", 1))
	b = append(b, `,"provider_user_id":"10769150350006150715113082367","approved_scopes":"email https://www.googleapis.com/auth/userinfo.email https://www.googleapis.com/auth/userinfo.profile openid profile","email_address":`...)
	b = appendString(b, p.emails[p.primaryEmail])
	b = append(b, `,"first_name":`...)
	if p.first != nil {
		b = appendString(b, *p.first)
	} else {
		b = append(b, `""`...)
	}
	b = append(b, `,"last_name":`...)
	if p.last != nil {
		b = appendString(b, *p.last)
	} else {
		b = append(b, `""`...)
	}
	b = append(b, `,"avatar_url":"https://lh3.googleusercontent.com/a/ACg8ocJx","image_url":"https://img.clerk.com/eyJ0eXBlIjoicHJveHkifQ","username":null,"phone_number":null,"public_metadata":{},"label":null,"created_at":`...)
	b = appendTime(b, p.created, seconds)
	b = append(b, `,"updated_at":`...)
	b = appendTime(b, p.updated, seconds)
	return append(b, `,"verification":{"object":"verification_oauth","status":"verified","strategy":"oauth_google","attempts":null,"expire_at":1700000600000}}`...)
}
