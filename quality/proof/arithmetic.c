// SPDX-License-Identifier: GPL-2.0-only
/*
 * arithmetic.c - mp1's arithmetic, for all inputs (quality/prove compiles and runs this)
 *
 * module.h and given.h hold functions of the module, unchanged; kernel.h has what they call.
 */
#include <stdio.h>
#include <stdlib.h>

#include "kernel.h"
#include "given.h"
#include "module.h"

static void fail(const char *what)
{
	printf("FAIL  %s: see above\n", what);
	exit(EXIT_FAILURE);
}

static long cases;

/*
 * The next expiry, in jiffies after the epoch, if @elapsed have passed since. The timer wheel is a
 * tick late.
 */
static u64 due(u64 elapsed)
{
	cases++;
	jiffies_64 = mp1_epoch + elapsed;
	mp1_arm_timer();
	return mp1_timer.expires + 1 - mp1_epoch;
}

static u64 gcd(u64 a, u64 b)
{
	return b ? gcd(b, a % b) : a;
}

/* After how many jiffies @n periods are over: rounded up to a whole tick */
static u64 over(u64 n)
{
	return (u64)(((wide)n * period_ms * HZ + 999) / 1000);
}

/*
 * From the end of the n-th period to a tick before the end of the next one, the next expiry must be
 * the end of the next one: so it is after now, a period away at most, and on the grid. What
 * mp1_arm_timer() computes only grows with the time, so the ends of that interval stand for all
 * between. After 1000 periods (fewer, if the period is a whole number of ticks after fewer), the
 * grid repeats itself, a whole number of ticks later. So these stand for all, as long as nothing
 * overflows: at the end of a hundred years, nothing does (and the compiler would tell).
 */
static void check_interval(u64 n)
{
	u64 begin = over(n), next = over(n + 1);

	if (due(begin) != next || due(next - 1) != next) {
		printf("HZ=%d period_ms=%u, %lu periods after the epoch: %lu and %lu, not %lu\n",
		       HZ, period_ms, n, due(begin), due(next - 1), next);
		fail("timer");
	}
}

static void prove_timer(void)
{
	const u64 century = (u64)HZ * 36525 * 86400;
	u64 n, rest;

	for (period_ms = MP1_PERIOD_MIN_MS; period_ms <= MP1_PERIOD_MAX_MS; period_ms++) {
		u64 repeats = 1000 / gcd((u64)period_ms * HZ % 1000, 1000);

		mp1_epoch = period_ms % 2 ? ULONG_MAX - 5 : 4294667296;	/* wraps, or will */
		for (n = 0; n < repeats; n++)
			check_interval(n);
		rest = century * 1000 / HZ / period_ms;
		check_interval(rest - rest % repeats);
		check_interval(rest);
	}
	printf("ok    timer, HZ=%d: all %d periods, all times in 100 years (%ld cases)\n", HZ,
	       MP1_PERIOD_MAX_MS - MP1_PERIOD_MIN_MS + 1, cases);
}

/* Check one call of split_runtime() against the record that the previous call left. */
static void check_split(struct signal_struct *sig, const struct task_cputime *sum)
{
	struct prev_cputime before = sig->prev_cputime;
	u64 total = max(before.utime + before.stime, sum->sum_exec_runtime);
	u64 utime = split_runtime(sig, sum);
	struct prev_cputime *after = &sig->prev_cputime;

	cases++;
	if (utime != after->utime || after->utime < before.utime || after->stime < before.stime ||
	    after->utime + after->stime != total) {
		printf("%lu+%lu, then utime %lu stime %lu runtime %lu: %lu+%lu, returned %lu\n",
		       before.utime, before.stime, sum->utime, sum->stime, sum->sum_exec_runtime,
		       after->utime, after->stime, utime);
		fail("split");
	}
}

static void three_calls(const u64 *inputs)
{
	struct signal_struct sig = { 0 };
	int i;

	for (i = 0; i < 3; i++, inputs += 3)
		check_split(&sig, &(struct task_cputime){ inputs[0], inputs[1], inputs[2] });
}

/*
 * Neither the user time nor the system time ever decreases, and the two add up to the runtime, or
 * to the previous total if that is more. Shown for all histories of three calls with values up to
 * 6, sensible or not (a history can begin with any record, so three calls show what happens between
 * any two), and for random ones of any size up to 2^62 ns, 146 years.
 */
static void prove_split(void)
{
	enum { VALUES = 7, INPUTS = 9, RANDOM = 20000000 };
	u64 inputs[INPUTS] = { 0 };
	long i;
	int j;

	do {
		three_calls(inputs);
		for (j = 0; j < INPUTS && ++inputs[j] == VALUES; j++)
			inputs[j] = 0;
	} while (j < INPUTS);
	srandom(1);
	for (i = 0; i < RANDOM; i++) {
		for (j = 0; j < INPUTS; j++)
			inputs[j] = ((u64)random() << 31 | (u64)random()) >> random() % 62;
		three_calls(inputs);
	}
	printf("ok    split: histories of three calls with 0 to %d, %d random ones\n", VALUES - 1,
	       RANDOM);
}

/*
 * What README says: white space, a sign or none, digits, white space, at the end one NUL or none;
 * at most 31 bytes; not 0, no more than 32 bits. @effect: the PID, negative to unregister
 */
static bool is_documented(const char *text, size_t size, int *effect)
{
	const char *end = text + size;
	bool negative, digits = false;
	wide value = 0;

	if (size > 31)
		return false;
	if (size && !end[-1])
		end--;
	while (text < end && is_space(*text))
		text++;
	negative = text < end && *text == '-';
	if (text < end && (*text == '-' || *text == '+'))
		text++;
	for (; text < end && *text >= '0' && *text <= '9'; text++, digits = true)
		value = min(value * 10 + (*text - '0'), (wide)1 << 40);
	while (text < end && is_space(*text))
		text++;
	*effect = (int)(negative ? -value : value);
	return digits && text == end && value && value <= INT_MAX;
}

static void check_text(const char *text, size_t size)
{
	struct mp1_opener opener = { 0 };
	struct seq_file m = { &opener };
	struct file file = { &m };
	int wanted = 0, got;
	bool accepted, right;
	ssize_t n;
	size_t i;

	if (!size)
		return;
	cases++;
	effect = 0;
	accepted = is_documented(text, size, &wanted);
	n = mp1_write(&file, text, size, NULL);
	got = effect;
	right = accepted ? n == (ssize_t)size && got == wanted : n == -EINVAL && !got;
	if (!right) {
		for (i = 0; i < size; i++)
			printf(" %02x", (unsigned char)text[i]);
		printf(": %zd, effect %d; should be %s, effect %d\n", n, got,
		       accepted ? "accepted" : "EINVAL", accepted ? wanted : 0);
		fail("parser");
	}
}

/* White space, sign, digits, white space, tail, each of any length up to @most bytes in all */
static void check_forms(const char *sign, char digit, const char *tail, size_t tail_size,
			size_t most)
{
	size_t before, digits, after, size;
	char text[64];

	for (before = 0; before <= most; before++) {
		for (digits = 0; before + digits <= most; digits++) {
			for (after = 0; before + digits + after <= most; after++) {
				size = before;
				memset(text, ' ', size);
				size += (size_t)sprintf(text + size, "%s", sign);
				memset(text + size, digit, digits);
				size += digits;
				memset(text + size, '\t', after);
				size += after;
				memcpy(text + size, tail, tail_size);
				check_text(text, size + tail_size);
			}
		}
	}
}

static void check_number(wide number)
{
	static const char *const forms[] = { "%lld", "-%lld\n", "+%lld" };
	char text[40];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(forms); i++)
		check_text(text, (size_t)sprintf(text, forms[i], (long long)number));
}

/*
 * All texts of up to 7 bytes, of one byte of each kind that mp1_write() and its helpers tell
 * apart; of any length up to 40 bytes, what has the form of a number with white space around it,
 * with or without a NUL or something else at the end; and numbers around powers of ten and two.
 */
static void prove_parser(void)
{
	static const char kinds[] = { '0', '1', '9', '-', '+', ' ', '\n', '\0', 'x' };
	static const char *const signs[] = { "", "-", "+" };
	enum { LENGTH = 7, LONGEST = 40, BITS = 60 };
	size_t index[LENGTH] = { 0 }, size, i;
	char text[LENGTH], digit;
	wide number;

	for (size = 1; size <= LENGTH; size++) {
		do {
			for (i = 0; i < size; i++)
				text[i] = kinds[index[i]];
			check_text(text, size);
			for (i = 0; i < size && ++index[i] == sizeof(kinds); i++)
				index[i] = 0;
		} while (i < size);
	}
	for (i = 0; i < ARRAY_SIZE(signs); i++) {
		for (digit = '0'; digit <= '9'; digit++) {
			check_forms(signs[i], digit, "", 0, LONGEST);
			check_forms(signs[i], digit, "\0", 1, LONGEST);
			check_forms(signs[i], digit, "x", 1, LONGEST);
			check_forms(signs[i], digit, "-7", 2, LONGEST);
		}
	}
	for (i = 1; i < BITS; i++)
		for (number = ((wide)1 << i) - 3; number <= ((wide)1 << i) + 3; number++)
			check_number(number < 0 ? 0 : number);
	for (number = 1; number < (wide)1 << BITS; number *= 10)
		check_number(number);
	printf("ok    parser: all texts of up to %d bytes, all forms of up to %d (%ld cases)\n",
	       LENGTH, LONGEST, cases);
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "timer"))
		prove_timer();
	else if (argc == 2 && !strcmp(argv[1], "split"))
		prove_split();
	else if (argc == 2 && !strcmp(argv[1], "parser"))
		prove_parser();
	else
		return 2;
	return 0;
}
