"""The whole flow on the shipped notes from clean, once: seconds a step and memory.

`make bench NAME=flow-time`, on a machine that does nothing else. `flow` has the scores.
"""

from benchmarks.flow import time_steps
from benchmarks.table import write_table

if __name__ == "__main__":
    write_table("flow_time", time_steps({}, 0, max_minutes=20, max_gib=6))
