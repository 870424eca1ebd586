package discover

import (
	"slices"
	"strings"

	"github.com/rollcall-sync/rollcall/db"
	"github.com/rollcall-sync/rollcall/reconcile"
)

// synonym is what of a Clerk user a column by a certain name holds.
type synonym struct {
	from []string
	// telling: few tables but those of users have such a column.
	telling bool
	// edited: people change it in the app, so that it is written once and not compared.
	edited bool
}

func attr(from ...string) synonym    { return synonym{from: from} }
func telling(from ...string) synonym { return synonym{from: from, telling: true} }
func edited(from ...string) synonym  { return synonym{from: from, edited: true} }

// synonyms are folded names of columns.
var synonyms = build(map[string]synonym{
	"email emailaddress primaryemail primaryemailaddress useremail mail mailaddress contactemail": telling("primary_email_address"),
	"firstname givenname fname forename": telling("first_name"),
	"lastname surname familyname lname":  telling("last_name"),
	"fullname":                           telling("full_name", "username"),
	"name realname":                      attr("full_name", "username"),
	"username userhandle login":          telling("username"),
	"imageurl avatarurl avatar image picture pictureurl photo photourl profileimage profileimageurl profilepicture profilepictureurl profilepic profilephoto profilephotourl userimage avatarimage": telling("image_url"),
	"phone phonenumber mobile mobilenumber mobilephone primaryphone primaryphonenumber telephone tel cell cellphone":                                                                                attr("primary_phone_number"),
	"emailverified isemailverified emailconfirmed isemailconfirmed":                                                                                                                                 attr("email_verified"),
	"lastsigninat lastsignin lastsignedinat lastloginat lastlogin lastloggedinat":                                                                                                                   attr("last_sign_in_at"),
	"lastactiveat lastactive lastseenat lastseen":                                                                                                                                                   attr("last_active_at"),
	"banned isbanned": attr("banned"),
	"locked islocked": attr("locked"),
	"walletaddress wallet web3wallet primaryweb3wallet ethaddress": attr("primary_web3_wallet"),
	"publicmetadata clerkpublicmetadata clerkmetadata":             attr("public_metadata"),
	"privatemetadata clerkprivatemetadata":                         attr("private_metadata"),
	"unsafemetadata clerkunsafemetadata":                           attr("unsafe_metadata"),
	"clerkcreatedat":                                               attr("created_at"), "clerkupdatedat": attr("updated_at"),
	"displayname nickname screenname": edited("full_name", "username"),
	"handle":                          edited("username"),
	"locale":                          edited("locale"),
})

// notByName are attributes that a column does not hold just because it is called so.
var notByName = []string{"id", "object", "external_id", "created_at", "updated_at", "deprovisioned", "passkeys", "scim", "organization_memberships"}

func build(groups map[string]synonym) map[string]synonym {
	all := map[string]synonym{}
	for _, name := range reconcile.AttributeNames() {
		if !slices.Contains(notByName, name) {
			all[fold(name)] = attr(name)
		}
	}
	for names, s := range groups {
		for name := range strings.FieldsSeq(names) {
			all[name] = s
		}
	}
	return all
}

// attributeOf returns what of a Clerk user the column holds, by its name and
// its type. A column by the right name with another type holds something else:
// emailVerified of NextAuth is a time.
func attributeOf(c *db.RelationColumn) (synonym, bool) {
	s, ok := synonyms[fold(c.Name)]
	if !ok {
		for _, prefix := range []string{"user", "clerk", "profile"} {
			if rest, cut := strings.CutPrefix(fold(c.Name), prefix); cut && rest != "name" {
				if s, ok = synonyms[rest]; ok {
					break
				}
			}
		}
	}
	if !ok || c.References != "" || !fits(s.from[0], c.Kind) {
		return synonym{}, false
	}
	return s, true
}

// fits reports whether a column of that kind takes the attribute's values.
func fits(attribute string, kind db.ColumnKind) bool {
	a, err := reconcile.ParseAttribute(attribute)
	if err != nil {
		return false
	}
	switch a.Kind() {
	case reconcile.Text:
		return kind == db.TextColumn
	case reconcile.Bool:
		return kind == db.BoolColumn || kind == db.IntegerColumn
	case reconcile.Time:
		return kind == db.TimeColumn || kind == db.DateColumn || kind == db.IntegerColumn
	case reconcile.JSON:
		return kind == db.DocumentColumn
	case reconcile.Number:
		return kind == db.IntegerColumn || kind == db.NumericColumn
	default:
		return false
	}
}

// ownTimes are the app's own times of a row, which are not Clerk's.
var ownTimes = strings.Fields(`createdat created createdon createdate datecreated creationdate datejoined joinedat insertedat registeredat
	signedupat updatedat updated updatedon updatedate dateupdated modifiedat modified modifiedon lastmodified lastupdated lastupdatedat changedat
	createdtime updatedtime createtime updatetime`)

func isOwnTime(c *db.RelationColumn) bool {
	return slices.Contains(ownTimes, fold(c.Name)) && c.Kind != db.BoolColumn && c.References == ""
}

// softDelete reports whether the column marks a row as deleted: a time that is
// NULL while the row is alive, or a boolean.
func softDelete(c *db.RelationColumn) bool {
	switch fold(c.Name) {
	case "deletedat", "deletedon", "removedat", "discardedat", "softdeletedat", "deletiondate":
		return !c.NotNull && (c.Kind == db.TimeColumn || c.Kind == db.DateColumn || c.Kind == db.IntegerColumn || c.Kind == db.TextColumn)
	case "isdeleted", "deleted":
		return c.Kind == db.BoolColumn || !c.NotNull && (c.Kind == db.TimeColumn || c.Kind == db.DateColumn)
	}
	return false
}
