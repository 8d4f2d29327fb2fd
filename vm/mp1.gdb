# SPDX-License-Identifier: GPL-2.0-only
# mp1.gdb - gdb commands for a kernel with mp1; see vm/gdb

define mp1-list
  if mp1_registry.next == &mp1_registry
    printf "no process is registered\n"
  end
  set $node = mp1_registry.next
  while $node != &mp1_registry
    set $p = (struct mp1_process *)((char *)$node - (long)&((struct mp1_process *)0)->node)
    printf "%d: %llu ns, registered by user %d, task \"%s\" at %p\n", \
      $p->pid->numbers[0].nr, $p->utime.counter, $p->registrar.val, $p->task->comm, $p->task
    set $node = $node->next
  end
end
document mp1-list
Print the processes in mp1's registry, from the machine's memory.
end

break mp1_write
