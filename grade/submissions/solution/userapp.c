// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <unistd.h>

int main(void)
{
	FILE *file = fopen("/proc/mp1/status", "w");
	volatile unsigned long long factorial;
	int c, i, n;

	if (!file) {
		perror("/proc/mp1/status");
		return 1;
	}
	fprintf(file, "%d", getpid());
	fclose(file);
	for (n = 0; n < 300000; n++)
		for (factorial = 1, i = 2; i <= 20; i++)
			factorial *= i;
	file = fopen("/proc/mp1/status", "r");
	if (!file) {
		perror("/proc/mp1/status");
		return 1;
	}
	while ((c = getc(file)) != EOF)
		putchar(c);
	fclose(file);
	return 0;
}
