package alert

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestReadings(t *testing.T) {
	t.Parallel()
	at := func(s State, level int64, patience int) Reading {
		return Reading{Topic: DeadLetters, State: s, Level: level, Patience: patience}
	}
	for name, c := range map[string]struct {
		readings []Reading
		told     string
	}{
		"well":                         {[]Reading{at(OK, 0, 0), at("", 0, 0)}, ""},
		"once, and its end":            {[]Reading{at(Firing, 2, 0), at(Firing, 2, 0), at(OK, 0, 0), at(OK, 0, 0)}, "firing ok"},
		"much more":                    {[]Reading{at(Firing, 2, 0), at(Firing, 13, 0), at(Firing, 14, 0), at(Firing, 3, 0), at(Firing, 16, 0)}, "firing firing firing"},
		"patience":                     {[]Reading{at(Firing, 0, 3), at(Firing, 0, 3), at(OK, 0, 3), at(Firing, 0, 3), at(Firing, 0, 3)}, ""},
		"patience that ends":           {[]Reading{at(Firing, 0, 3), at(Firing, 0, 3), at(Firing, 0, 3), at(Firing, 0, 3), at(OK, 0, 3)}, "firing ok"},
		"from one extreme to another":  {[]Reading{at(Many, 0, 0), at(Few, 0, 0), at(OK, 0, 0)}, "many few ok"},
		"without a number it is quiet": {[]Reading{at(Firing, 0, 0), at(Firing, 0, 0)}, "firing"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var r Record
			var told []string
			for i, o := range c.readings {
				before := r.Seq
				if r = r.observe(o, epoch.Add(time.Duration(i)*time.Minute)); r.Seq != before {
					told = append(told, string(r.state()))
				}
			}
			if got := strings.Join(told, " "); got != c.told {
				t.Errorf("told %q, want %q", got, c.told)
			}
		})
	}
}

func TestSignUps(t *testing.T) {
	t.Parallel()
	week := func(n ...int64) []int64 { return n }
	for name, c := range map[string]struct {
		hour   int64
		before []int64
		was    State
		want   State
	}{
		"as every day":                         {12, week(10, 11, 9, 14, 8, 12, 10), OK, OK},
		"nobody, where there are never many":   {0, week(9, 9, 9, 9, 9, 9, 9), OK, OK},
		"nobody, where there always were some": {0, week(10, 11, 12, 10, 15, 20, 13), OK, Few},
		"nobody, as last Sunday":               {0, week(200, 180, 0, 210, 190, 220, 205), OK, OK},
		"half":                                 {50, week(100, 110, 105, 120, 130, 101, 100), OK, Few},
		"a bit less":                           {60, week(100, 110, 105, 120, 130, 101, 100), OK, OK},
		"ten, where there were none":           {10, week(0, 0, 0, 0, 0, 0, 0), OK, Many},
		"nine, where there were none":          {9, week(0, 0, 0, 0, 0, 0, 0), OK, OK},
		"an attack":                            {5000, week(10, 11, 9, 14, 8, 12, 10), OK, Many},
		"as on the day of the campaign":        {900, week(10, 11, 9, 1000, 8, 12, 10), OK, OK},
		"twice the most":                       {2000, week(900, 1000, 800, 950, 1000, 990, 970), OK, Many},
		"a good day in a large shop":           {1500, week(900, 1000, 800, 950, 1000, 990, 970), OK, OK},
		"many stay many for a while":           {1600, week(900, 1000, 800, 950, 1000, 990, 970), Many, Many},
		"and then they do not":                 {1400, week(900, 1000, 800, 950, 1000, 990, 970), Many, OK},
		"few stay few for a while":             {60, week(100, 110, 105, 120, 130, 101, 100), Few, Few},
		"and then they are back":               {80, week(100, 110, 105, 120, 130, 101, 100), Few, OK},
		"a server that knows no filter":        {5000, week(5000, 5000, 5000, 5000, 5000, 5000, 5000), OK, OK},
		"no days to hold it against":           {5000, nil, OK, OK},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := (SignUpCount{c.hour, c.before}).Judge(c.was); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
	if n := (SignUpCount{3, []int64{4, 2, 9}}).Reading().Numbers; fmt.Sprint(n) != "map[highest:9 hour:3 lowest:2]" {
		t.Errorf("numbers: %v", n)
	}
}

func TestShareOfFailingCalls(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		calls, errors int64
		was, want     State
	}{
		"few calls say nothing":         {19, 19, OK, OK},
		"a tenth":                       {20, 2, OK, Firing},
		"less than a tenth":             {100, 9, OK, OK},
		"it goes on at a twentieth":     {100, 5, Firing, Firing},
		"and ends below":                {100, 4, Firing, OK},
		"nobody calls: it is as it was": {0, 0, Firing, Firing},
		"one call that works":           {1, 0, Firing, OK},
	} {
		if got := judgeShare(c.calls, c.errors, c.was); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

// The share is that of all processes, and those that are gone are forgotten.
func TestProcessesAreAddedUp(t *testing.T) {
	t.Parallel()
	var r Record
	r, _ = r.sampled("one", Sample{Calls: 12, Errors: 1}, epoch)
	r, reading := r.sampled("two", Sample{Calls: 12, Errors: 3}, epoch.Add(time.Minute))
	if reading.Judge(OK) != Firing || reading.Numbers["calls"] != 24 || reading.Numbers["errors"] != 4 {
		t.Errorf("%+v", reading)
	}
	r, reading = r.sampled("two", Sample{Calls: 8}, epoch.Add(11*time.Minute))
	if reading.Judge(OK) != OK || reading.Numbers["calls"] != 8 || len(r.Samples) != 1 {
		t.Errorf("%+v %v", reading, r.Samples)
	}
	if r, _ = r.sampled("two", Sample{}, epoch.Add(12*time.Minute)); len(r.Samples) != 0 {
		t.Errorf("a process that counts nothing is kept: %v", r.Samples)
	}
}

func TestWindow(t *testing.T) {
	t.Parallel()
	var w window
	for i := range 30 {
		w.add(epoch.Add(time.Duration(i)*time.Minute), i%2 == 0)
	}
	if s := w.sum(epoch.Add(29 * time.Minute)); s.Calls != 10 || s.Errors != 5 {
		t.Errorf("%+v", s)
	}
	if s := w.sum(epoch.Add(time.Hour)); s.Calls != 0 || len(w.buckets) != 0 {
		t.Errorf("%+v, %d buckets", s, len(w.buckets))
	}
}
