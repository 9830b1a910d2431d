"""What bounds the memory of known programs, each as its documentation calls it."""

from __future__ import annotations

from ..advice.programs import Programs

_HELD = "{comm} held {held_kb:size}[, {held_percent:percent} of what was full]: "

PHRASES = {
    Programs.JVM: _HELD + "-Xmx or -XX:MaxRAMPercentage bounds the heap of a Java virtual machine. Leave room beside "
                  "it for metaspace, stacks of threads and direct buffers (-XX:MaxDirectMemorySize).",
    Programs.ELASTICSEARCH: _HELD + "-Xms and -Xmx (a file in jvm.options.d, or ES_JAVA_OPTS) bound its heap.",
    Programs.NODE: _HELD + "--max-old-space-size (in MiB, also in NODE_OPTIONS) bounds the heap of Node.js.",
    Programs.POSTGRES: _HELD + "lower shared_buffers, or work_mem, which each sort of each connection may take, or "
                       "max_connections.",
    Programs.MYSQL: _HELD + "lower innodb_buffer_pool_size, or max_connections, each of which has buffers of its own.",
    Programs.MONGODB: _HELD + "lower storage.wiredTiger.engineConfig.cacheSizeGB (--wiredTigerCacheSizeGB).",
    Programs.REDIS: _HELD + "set maxmemory, with a maxmemory-policy. Saving in the background (a fork) may take as "
                    "much again.",
    Programs.MEMCACHED: _HELD + "lower -m, the size of its cache in MiB.",
    Programs.CLICKHOUSE: _HELD + "lower max_server_memory_usage, or max_memory_usage of one query.",
    Programs.PHP_FPM: _HELD + "lower pm.max_children of its pools, or memory_limit.",
    Programs.APACHE: _HELD + "lower MaxRequestWorkers.",
    Programs.CHROME: _HELD + "close tabs, turn on Memory Saver, or start it with --renderer-process-limit.",
    Programs.FIREFOX: _HELD + "close or unload tabs (about:unloads), or lower dom.ipc.processCount in about:config.",
}
