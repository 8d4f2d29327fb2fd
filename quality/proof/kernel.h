/* SPDX-License-Identifier: GPL-2.0-only */
/* kernel.h - stands for the kernel's headers, as far as the arithmetic of the module goes */
#ifndef KERNEL_H
#define KERNEL_H

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

typedef uint64_t u64;
typedef __int128 wide;
#define __user
#define U32_MAX			UINT32_MAX
#define MSEC_PER_SEC		1000L
#define ARRAY_SIZE(a)		(sizeof(a) / sizeof((a)[0]))
#define READ_ONCE(x)		(x)
#define WRITE_ONCE(x, value)	((x) = (value))
#define data_race(x)		(x)
#define IS_ENABLED(option)	1
#define CONFIG_64BIT
#define min(a, b)		((a) < (b) ? (a) : (b))
#define max(a, b)		((a) > (b) ? (a) : (b))
#define clamp(x, low, high)	min(max(x, low), high)
#define raw_spin_lock_irqsave(lock, flags)	((flags) = 0)
#define raw_spin_unlock_irqrestore(lock, flags)	((void)(flags))
#define pr_debug(...)		((void)0)

typedef struct { int counter; } atomic_t;

static void atomic_inc(atomic_t *v)
{
	v->counter++;
}

static int atomic_dec_if_positive(atomic_t *v)
{
	return v->counter > 0 ? --v->counter : v->counter - 1;
}

static u64 div_u64(u64 dividend, uint32_t divisor)
{
	return dividend / divisor;
}

static u64 mul_u64_u64_div_u64(u64 a, u64 b, u64 c)
{
	return (u64)((unsigned __int128)a * b / c);
}

/* The timer */

static u64 jiffies_64, mp1_epoch;
static unsigned int period_ms;
static struct timer_list { unsigned long expires; } mp1_timer;

static u64 get_jiffies_64(void)
{
	return jiffies_64;
}

static void mod_timer(struct timer_list *timer, unsigned long expires)
{
	timer->expires = expires;
}

/* Runtimes */

struct task_cputime {
	u64 utime, stime, sum_exec_runtime;
};

struct signal_struct {
	struct prev_cputime {
		u64 utime, stime;
	} prev_cputime;
};

/* Writing */

struct pid {
	int nr;
};

struct seq_file {
	void *private;
};

struct file {
	void *private_data;
};

static struct pid written;

static int copy_from_user(void *to, const void *from, size_t count)
{
	memcpy(to, from, count);
	return 0;
}

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r') || c == '\xa0';
}

static char *strim(char *text)
{
	size_t length = strlen(text);

	while (length && is_space(text[length - 1]))
		text[--length] = '\0';
	while (is_space(*text))
		text++;
	return text;
}

/* A sign or none, at least one digit, a line end or none, and nothing else */
static int kstrtoint(const char *text, unsigned int base, int *result)
{
	bool negative = *text == '-';
	wide value = 0;

	(void)base;
	if (*text == '-' || *text == '+')
		text++;
	if (!isdigit((unsigned char)*text))
		return -EINVAL;
	for (; isdigit((unsigned char)*text); text++)
		if (value <= UINT_MAX)
			value = value * 10 + (*text - '0');
	if (*text == '\n')
		text++;
	if (*text)
		return -EINVAL;
	if (negative)
		value = -value;
	if (value < INT_MIN || value > INT_MAX)
		return -ERANGE;
	*result = (int)value;
	return 0;
}

static struct pid *find_get_pid(int nr)
{
	written.nr = nr;
	return &written;
}

static void put_pid(struct pid *pid)
{
	(void)pid;
}

static int effect;	/* of a write: the PID, negative to unregister, or 0 */

static int mp1_register(struct pid *pid, const struct file *file)
{
	(void)file;
	effect = pid->nr;
	return 0;
}

static int mp1_unregister(struct pid *pid, const struct file *file)
{
	(void)file;
	effect = -pid->nr;
	return 0;
}

#endif /* KERNEL_H */
