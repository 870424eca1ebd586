package db

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// What PostgreSQL says of a row may hold the row's values: it quotes them
// anywhere in a message, in its own language's quotes, and a trigger says
// whatever it likes. Nothing can be cut out of such words with certainty. So a
// refusal is told in the words of this file, which know no values: what the
// SQLSTATE means, the names that the server gives apart from its message, and the
// function that raised it. The server's own words are in its log.

// conditions are the words for the SQLSTATEs that a write meets.
// See https://www.postgresql.org/docs/current/errcodes-appendix.html.
var conditions = map[string]string{
	"22001": "value too long for its type",
	"22003": "number out of its type's range",
	"22007": "invalid date or time",
	"22008": "date or time out of its type's range",
	"22012": "division by zero",
	"22021": "a character that the database's encoding does not have",
	"22P02": "invalid input for its type",
	"22P05": "a character that the database's encoding does not have",
	"23502": "violates a not-null constraint",
	"23503": "violates a foreign key constraint",
	"23505": "duplicate key value violates a unique constraint",
	"23514": "violates a check constraint",
	"23P01": "conflicting key value violates an exclusion constraint",
	"40001": "could not serialize access",
	"40P01": "deadlock detected",
	"42501": "permission denied",
	"42703": "a column does not exist",
	"42883": "a function or an operator does not exist",
	"42P01": "a table does not exist",
	"55P03": "a lock was not to be had in time",
	"57014": "canceled, or longer than the statement timeout",
	"P0001": "an exception was raised",
	"P0004": "an assertion failed",
}

// conditionOf falls back to what the SQLSTATE's class means.
func conditionOf(code string) string {
	if words := conditions[code]; words != "" {
		return words
	}
	switch code[:min(2, len(code))] {
	case "22":
		return "a value that its type or a function does not take"
	case "23":
		return "violates a constraint"
	case "XX":
		return "an internal error"
	default:
		return "an error"
	}
}

// ownWords are the classes of SQLSTATE whose messages speak of connections,
// resources and things of the schema, and never of a row.
var ownWords = []string{"08", "0A", "25", "26", "28", "3D", "3F", "40", "42", "53", "54", "55", "57", "58"}

// words are what may be told of an error: the server's message where it speaks
// for itself and not of a row, else this program's own. Where there is a context,
// the message may be that of a function or of a remote server.
func words(e *pgconn.PgError) string {
	if e.Where == "" && slices.Contains(ownWords, e.Code[:min(2, len(e.Code))]) {
		return verbatim(e)
	}
	return refusalWords(e)
}

func verbatim(e *pgconn.PgError) string { return fmt.Sprintf("%s (SQLSTATE %s)", e.Message, e.Code) }

// refusalWords tell an error without its message.
func refusalWords(e *pgconn.PgError) string {
	out := fmt.Sprintf("%s (SQLSTATE %s)", conditionOf(e.Code), e.Code)
	var at []string
	for _, name := range []struct{ what, name string }{
		{"constraint", e.ConstraintName}, {"column", e.ColumnName}, {"domain", e.DataTypeName}, {"table", e.TableName},
	} {
		if name.name != "" {
			at = append(at, fmt.Sprintf("%s %q", name.what, name.name))
		}
	}
	if len(at) > 0 {
		out += ": " + strings.Join(at, ", ")
	}
	if f := functionOf(e.Where); f != "" {
		out += fmt.Sprintf(", in the function %s: its own words are in the database's log", f)
	} else if e.Where != "" {
		out += ", in a function or a remote query: its own words are in the database's log"
	}
	return out
}

// plFunction is a line of an error's context, in any of the server's languages:
// PL/pgSQL function public.f() line 1 at RAISE. Other lines quote statements and
// parameters, and with them values.
var plFunction = regexp.MustCompile(`^[^"'(]*PL/pgSQL[^"'(]*?([A-Za-z_][\w$]*(?:\.[A-Za-z_][\w$]*)?)\([\w ,.\[\]]*\)[^"'(]*$`)

// functionOf names the outermost function of an error's context: the trigger
// that the write set off. It is "" where the last line is of another kind.
func functionOf(context string) string {
	last := context[strings.LastIndexByte(context, '\n')+1:]
	if m := plFunction.FindStringSubmatch(last); m != nil {
		return m[1] + "()"
	}
	return ""
}
