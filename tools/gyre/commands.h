/* SPDX-License-Identifier: Apache-2.0 */
/* tools/gyre/commands.h: the forms of the gyre command. Each takes what stands behind its name and returns the exit code. */
#ifndef TOOLS_GYRE_COMMANDS_H
#define TOOLS_GYRE_COMMANDS_H

int command_control(char **argv);
int command_emulate(char **argv);
int command_image(char **argv);
int command_show(char **argv);
int command_trace(char **argv);

#endif
