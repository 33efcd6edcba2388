/* SPDX-License-Identifier: GPL-2.0-or-later */
/* worker/product.h - the real functions of conf/ and scan/. Only programs link this. */
#ifndef WORKER_PRODUCT_H
#define WORKER_PRODUCT_H

#include "worker/ops.h"

extern const struct worker_ops worker_product_ops;

#endif
