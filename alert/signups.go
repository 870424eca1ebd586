package alert

import "math"

// SignUpCount is how many users were created in the last hour, and in the same hour
// of each of the days before. Clerk counts them, so that it works from the first day.
type SignUpCount struct {
	Hour   int64
	Before []int64 // of the seven days before, in any order
}

// Judge says whether that is unusual.
//
// The hour is held against the highest and the lowest of the same hour on the seven
// days before, and not against their mean: a quiet weekend is not unusual, since one
// of the seven was a day of the weekend too, and neither is a Monday after it. One odd
// day among the seven makes it slower to tell, never faster.
//
// Sign-ups that have nothing to do with one another follow Poisson's law, whose spread
// is the root of its mean. The difference of two roots, doubled, then has about the
// same spread whatever the numbers are (Anscombe's transform, 2√(n+3/8), whose standard
// deviation is 1). Five of those are beyond chance: 0 against 9 is not, against 10 it is; 10 against 0 is.
// So small numbers stay quiet without a threshold of their own. Real sign-ups come in
// clusters, and with large numbers everything is beyond chance: so the hour must also
// have at least twice as many, or at most half as many.
//
// What is unusual stays so until it has come back for good: below three of them, or
// within a factor of one and a half.
func (c SignUpCount) Judge(now State) State {
	if len(c.Before) == 0 {
		return OK
	}
	low, high := c.Before[0], c.Before[0]
	for _, n := range c.Before[1:] {
		low, high = min(low, n), max(high, n)
	}
	switch {
	case unusual(high, c.Hour, now == Many):
		return Many
	case unusual(c.Hour, low, now == Few):
		return Few
	default:
		return OK
	}
}

// unusual reports whether the larger number is beyond chance and far above the
// smaller one; still asks whether it has not come back yet.
func unusual(smaller, larger int64, still bool) bool {
	deviations, factor := 5.0, 2.0
	if still {
		deviations, factor = 3, 1.5
	}
	return 2*(math.Sqrt(float64(larger)+0.375)-math.Sqrt(float64(smaller)+0.375)) > deviations &&
		float64(larger) >= factor*float64(smaller)
}

// Reading is the count as a reading.
func (c SignUpCount) Reading() Reading {
	numbers := map[string]int64{"hour": c.Hour}
	for i, n := range c.Before {
		if i == 0 || n < numbers["lowest"] {
			numbers["lowest"] = n
		}
		if i == 0 || n > numbers["highest"] {
			numbers["highest"] = n
		}
	}
	return Reading{Topic: SignUps, Judge: c.Judge, Numbers: numbers}
}
