/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fuzz_conf_bundle - a bundle that is not what a supervisor wrote. Needs conf_dep. */
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "conf/conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(fd_close) int fd = memfd_create("fuzz", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	AUTO(conf_source_close) struct conf_source *s = NULL;
	AUTO(conf_unref) struct conf *c = NULL;
	struct err err;

	if (fd < 0 || write(fd, data, size) != (ssize_t)size ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW) < 0)
		return 0;
	if (conf_source_bundle(&s, fd, &err) == 0)
		(void)!conf_load(&c, s, "/m", NULL, &err);
	return 0;
}
