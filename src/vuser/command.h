/* SPDX-License-Identifier: MIT
 * command.h - the commands of the protocol, from a complete message to its reply
 */
#ifndef VUSER_COMMAND_H
#define VUSER_COMMAND_H

struct vuser_conn;
struct vuser_msg;

/* Carries out @msg of the client and answers it, unless it asked for no reply. */
void vuser_command_handle(struct vuser_conn *conn, struct vuser_msg *msg);

#endif /* VUSER_COMMAND_H */
