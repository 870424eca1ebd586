package reconcile

import "strings"

// Nearest returns the candidate that s was probably meant to be, for "did you
// mean" in errors, or "" when none is near. Case, underscores and dashes count
// for nothing; beyond that at most a third of the letters may differ.
func Nearest(s string, candidates []string) string {
	best, bestDistance := "", len(s)/3+1
	folded := foldName(s)
	for _, c := range candidates {
		if d := editDistance(folded, foldName(c)); d < bestDistance {
			best, bestDistance = c, d
		}
	}
	return best
}

func foldName(s string) string {
	return strings.NewReplacer("_", "", "-", "").Replace(strings.ToLower(s))
}

// editDistance is Levenshtein's distance in bytes.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
