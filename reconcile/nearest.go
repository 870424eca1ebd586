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

// editDistance counts the bytes to insert, delete, change, or swap with their
// neighbor (the optimal string alignment distance).
func editDistance(a, b string) int {
	var before []int
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		next := make([]int, len(b)+1)
		next[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			next[j+1] = min(row[j+1]+1, next[j]+1, row[j]+cost)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				next[j+1] = min(next[j+1], before[j-1]+1)
			}
		}
		before, row = row, next
	}
	return row[len(b)]
}
