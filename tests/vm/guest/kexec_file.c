/* SPDX-License-Identifier: MIT
 * kexec_file.c - loads a kernel to boot after this one, now or when this one panics
 *
 * usage: kexec_file now|panic KERNEL INITRAMFS COMMAND-LINE
 *
 * now: boots the kernel after all drivers have shut their devices down. panic: loads the kernel
 * into the memory that crashkernel= has reserved. When this kernel panics it boots that one, and
 * drivers do not shut down their devices. KERNEL is a bzImage.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kexec.h>
#include <linux/reboot.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int complain(const char *what)
{
	(void)fprintf(stderr, "kexec_file: %s: %s\n", what, strerror(errno));
	return 1;
}

int main(int argc, char **argv)
{
	unsigned long flags;
	int kernel;
	int initramfs;

	if (argc != 5) {
		(void)fprintf(stderr, "usage: kexec_file now|panic KERNEL INITRAMFS "
				      "COMMAND-LINE\n");
		return 2;
	}
	flags = strcmp(argv[1], "panic") == 0 ? KEXEC_FILE_ON_CRASH : 0;
	kernel = open(argv[2], O_RDONLY | O_CLOEXEC);
	if (kernel < 0)
		return complain(argv[2]);
	initramfs = open(argv[3], O_RDONLY | O_CLOEXEC);
	if (initramfs < 0)
		return complain(argv[3]);
	/* the length includes the terminating zero */
	if (syscall(SYS_kexec_file_load, kernel, initramfs, strlen(argv[4]) + 1, argv[4],
		    flags) < 0)
		return complain("kexec_file_load");
	if (flags == 0)
		(void)syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2,
			      LINUX_REBOOT_CMD_KEXEC, NULL);
	return flags == 0 ? complain("reboot") : 0;
}
