/* SPDX-License-Identifier: GPL-2.0-or-later */
/* scan/rtf.h - inside this folder: compressed RTF of Outlook (MS-OXRTFCP). */
#ifndef SCAN_RTF_H
#define SCAN_RTF_H

#include "scan/unpack.h"

/* Unpack into the member in work. False: malformed, or a limit (u->stop). */
bool rtf_unpack(struct unpack *u, struct bytes packed);

#endif
