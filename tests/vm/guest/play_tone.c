/* SPDX-License-Identifier: MIT
 * play_tone.c - plays a known tone on an ALSA PCM device, without ALSA's library
 *
 * The tone is stereo, 16 bits, 48000 Hz. Its frame n has a triangle wave of 1000 Hz on the left and
 * n modulo 32768 on the right, so each frame names its position. Silence follows. The kernel has
 * the whole tone in its buffer before it plays the first frame, so it can play without this
 * process, however late that runs. Prints "PLAYED TONE_FRAMES"; exits 0, 1 with a message, or 2 for
 * wrong usage.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <sound/asound.h>

#include "util/compiler.h"

#define RATE_HZ       48000u
#define CHANNELS      2u
#define PERIOD_FRAMES 4800u
#define BUFFER_FRAMES 96000u
/* enough to push the tone out of the device's own buffers too */
#define SILENT_FRAMES 14400u
#define WAVE_FRAMES   48u
#define WAVE_HALF     (WAVE_FRAMES / 2)
#define WAVE_STEP     1000
#define WAVE_LOWEST   (-12000)
#define RIGHT_MASK    0x7fffu

static int fail(const char *what)
{
	(void)printf("%s: %s\n", what, strerror(errno));
	return 1;
}

static void set_mask(struct snd_pcm_hw_params *params, unsigned which, unsigned bit)
{
	struct snd_mask *mask = &params->masks[which - SNDRV_PCM_HW_PARAM_FIRST_MASK];

	memset(mask, 0, sizeof(*mask));
	mask->bits[bit / 32] = 1u << bit % 32;
}

static void set_interval(struct snd_pcm_hw_params *params, unsigned which, unsigned value)
{
	params->intervals[which - SNDRV_PCM_HW_PARAM_FIRST_INTERVAL] =
		(struct snd_interval){.min = value, .max = value, .integer = 1};
}

/* Makes the device start when it has @frames, play them, and then play silence for ever. poll()
 * returns when the device has played @frames. */
static int configure(int fd, unsigned frames)
{
	struct snd_pcm_hw_params hw = {.rmask = ~0u, .info = ~0u};
	struct snd_pcm_sw_params sw = {
		.avail_min = BUFFER_FRAMES,
		.period_step = 1,
		.start_threshold = frames,
		.stop_threshold = ULONG_MAX,
		.silence_size = ULONG_MAX,
	};

	for (unsigned i = 0; i < ARRAY_SIZE(hw.masks); i++)
		memset(&hw.masks[i], 0xff, sizeof(hw.masks[i]));
	for (unsigned i = 0; i < ARRAY_SIZE(hw.intervals); i++)
		hw.intervals[i].max = UINT32_MAX;
	set_mask(&hw, SNDRV_PCM_HW_PARAM_ACCESS, SNDRV_PCM_ACCESS_RW_INTERLEAVED);
	set_mask(&hw, SNDRV_PCM_HW_PARAM_FORMAT, SNDRV_PCM_FORMAT_S16_LE);
	set_interval(&hw, SNDRV_PCM_HW_PARAM_RATE, RATE_HZ);
	set_interval(&hw, SNDRV_PCM_HW_PARAM_CHANNELS, CHANNELS);
	set_interval(&hw, SNDRV_PCM_HW_PARAM_PERIOD_SIZE, PERIOD_FRAMES);
	set_interval(&hw, SNDRV_PCM_HW_PARAM_BUFFER_SIZE, BUFFER_FRAMES);
	if (ioctl(fd, SNDRV_PCM_IOCTL_HW_PARAMS, &hw) < 0)
		return -1;
	return ioctl(fd, SNDRV_PCM_IOCTL_SW_PARAMS, &sw);
}

static void make_tone(int16_t *samples, size_t frames)
{
	for (size_t n = 0; n < frames; n++) {
		int phase = (int)(n % WAVE_FRAMES);
		int up = phase < (int)WAVE_HALF ? phase : (int)WAVE_FRAMES - phase;

		samples[n * CHANNELS] = (int16_t)(WAVE_LOWEST + WAVE_STEP * up);
		samples[n * CHANNELS + 1] = (int16_t)(n & RIGHT_MASK);
	}
}

static int play(int fd, int16_t *samples, unsigned frames)
{
	struct snd_xferi transfer = {.buf = samples, .frames = frames};
	struct pollfd played = {.fd = fd, .events = POLLOUT};

	if (configure(fd, frames) < 0)
		return fail("parameters");
	if (ioctl(fd, SNDRV_PCM_IOCTL_PREPARE) < 0)
		return fail("prepare");
	if (ioctl(fd, SNDRV_PCM_IOCTL_WRITEI_FRAMES, &transfer) < 0)
		return fail("write");
	if (transfer.result != (snd_pcm_sframes_t)frames) {
		(void)printf("only %ld frames taken\n", transfer.result);
		return 1;
	}
	return poll(&played, 1, -1) < 0 ? fail("poll") : 0;
}

int main(int argc, char **argv)
{
	_cleanup_close_ int fd = -1;
	int16_t *samples;
	unsigned tone;
	int status;

	if (argc != 3) {
		(void)fprintf(stderr, "usage: %s PCM TONE_MS\n", argv[0]);
		return 2;
	}
	tone = (unsigned)strtoul(argv[2], NULL, 10) * (RATE_HZ / 1000);
	fd = open(argv[1], O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return fail("open");
	samples = calloc(tone + SILENT_FRAMES, CHANNELS * sizeof(*samples));
	if (!samples)
		return fail("memory");
	make_tone(samples, tone);
	status = play(fd, samples, tone + SILENT_FRAMES);
	free(samples);
	if (status == 0)
		(void)printf("PLAYED %u\n", tone);
	return status;
}
