/* SPDX-License-Identifier: GPL-2.0-or-later */
/* throttle/stub_bpf.c - in place of kernel_bpf.c and maps.c where clang, bpftool or libbpf lack. */
#include <errno.h>
#include <stdlib.h>

#include "throttle/kernel_internal.h"

#define WITHOUT "built without BPF: clang, bpftool or libbpf-dev were missing"

struct throttle_maps {
	int fds[THROTTLE_FDS];
};

static int without(struct err *err)
{
	return err_set(err, ERR_CONFIG, -EOPNOTSUPP, "throttle: " WITHOUT);
}

int throttle_bpf_open(struct throttle_bpf **ret_b UNUSED, const struct throttle_setup *s,
		      struct throttle_part_state parts[THROTTLE_PARTS], struct err *err UNUSED)
{
	throttle_part_why(&parts[THROTTLE_PART_SK_LOOKUP], WITHOUT);
	throttle_part_why(&parts[THROTTLE_PART_CONCURRENCY], WITHOUT);
	throttle_part_why(&parts[THROTTLE_PART_EVENTS], WITHOUT);
	if (s->xdp != THROTTLE_XDP_NO)
		throttle_part_why(&parts[THROTTLE_PART_XDP], WITHOUT);
	if (s->pin_dir != NULL)
		throttle_part_why(&parts[THROTTLE_PART_PINS], WITHOUT);
	return 0;
}

void throttle_bpf_close(struct throttle_bpf **b UNUSED)
{
}

int throttle_bpf_settings(struct throttle_bpf *b UNUSED, const struct throttle_settings *s UNUSED,
			  struct err *err)
{
	return without(err);
}

int throttle_bpf_forget(const char *pin_dir UNUSED, struct err *err UNUSED)
{
	return 0;
}

void throttle_bpf_fds(const struct throttle_bpf *b UNUSED, int ret_fds[THROTTLE_FDS] UNUSED)
{
}

int throttle_maps_open(struct throttle_maps **ret_m, const int fds[THROTTLE_FDS], struct err *err)
{
	struct throttle_maps *m = calloc(1, sizeof(*m));

	if (m == NULL)
		return err_set(err, ERR_TEMP, -ENOMEM, "throttle: out of memory");
	for (int i = 0; i < THROTTLE_FDS; i++)
		m->fds[i] = fds[i];
	*ret_m = m;
	return 0;
}

void throttle_maps_close(struct throttle_maps **m)
{
	for (int i = 0; *m != NULL && i < THROTTLE_FDS; i++)
		fd_close(&(*m)->fds[i]);
	free(*m);
	*m = NULL;
}

int throttle_maps_settings(struct throttle_maps *m UNUSED, const struct throttle_settings *s UNUSED,
			   struct err *err)
{
	return without(err);
}

int throttle_maps_put(struct throttle_maps *m UNUSED, enum throttle_list l UNUSED,
		      const struct throttle_prefix *p UNUSED,
		      const struct throttle_penalty *penalty UNUSED, struct err *err)
{
	return without(err);
}

int throttle_maps_remove(struct throttle_maps *m UNUSED, enum throttle_list l UNUSED,
			 const struct throttle_prefix *p UNUSED, struct err *err)
{
	return without(err);
}

int throttle_maps_each(struct throttle_maps *m UNUSED, enum throttle_list l UNUSED,
		       void (*each)(void *arg, const struct throttle_prefix *p,
				    const struct throttle_penalty *penalty) UNUSED,
		       void *arg UNUSED, struct err *err)
{
	return without(err);
}

int throttle_maps_counts(struct throttle_maps *m UNUSED, struct throttle_counts *ret_c UNUSED,
			 struct err *err)
{
	return without(err);
}

int throttle_maps_source(struct throttle_maps *m UNUSED,
			 const struct throttle_prefix *address UNUSED,
			 struct throttle_source ret_s[3] UNUSED, size_t *ret_n UNUSED,
			 struct err *err)
{
	return without(err);
}

int throttle_maps_event_fd(const struct throttle_maps *m UNUSED)
{
	return -1;
}

int throttle_maps_events(struct throttle_maps *m UNUSED,
			 void (*each)(void *arg, const struct throttle_event *e) UNUSED,
			 void *arg UNUSED, struct err *err)
{
	return without(err);
}
