"""Storms on Apache Kafka: real brokers, real worker processes, and an oracle that forgives nothing.

A storm is written in five lines, and every test of survival here is one:

    world = storm_world(bootstrap, name)              # topics of its own, network, strict policy
    load = Load(world, folder / "clock", seed)        # simulator facts, and everybody's clock
    with Crew(world, folder, load.clock_path) as crew:
        crew.start("one", "two", "three")             # real `slipwatch worker` processes
        load.beat(); crew["one"].kill(); ...          # the storm
        load.settle(crew)                             # every stage has done a tick at the last beat
        crew.stop()                                   # SIGTERM; each must end with code 0
    verdict = judge(world)                            # the oracle; raises Wrong with what differs

- `cluster`  (tests/kafka/cluster.py) brokers, one or three; `tests/chaos/conftest.py` has one with
  short sessions for all storms (`storm_bootstrap`).
- `crew`     worker processes: start, kill, stop, freeze, thaw, and who has ended on its own.
- `fuse`     a few bytes that a worker process shares with the test: which `Moment` of the engine it
  is to die (or freeze) at, and how often it has passed each.
- `victim`   what a worker process runs: the `slipwatch worker` command, with a fuse and small
  chunks. The product itself has no way to be killed from within.
- `world`    the topics, the network, and a policy under which most orders alarm somebody.
- `load`     seeded simulator facts in beats of six hours, 100 alerts and more a day.
- `oracle`   what a reader of committed records finds equals what the local engine computes from the
  same log, byte for byte; and nothing was said twice on any raw topic.
- `kills`    the plan of the rounds of kill -9, from a seed; `test_kills` runs them.

Names of storms' tests: `test_storms*.py`. Each prints its seed; the same seed is the same plan, not
the same interleaving: processes run as they run. Nothing here is imported by the product.
"""
