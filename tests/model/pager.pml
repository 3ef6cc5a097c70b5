/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pager's states and races (src/memory/pager*.cpp, the slow tier reached by transfers), small enough to be looked at
 * whole: no wrong byte, no frame beyond the limit, and no end but the one where every touch has come back.
 *
 *   spin -DTOUCHERS=2 -DROUNDS=1 -run -safety -m2000000 pager.pml
 *
 * CHUNKS chunks share FRAMES frames. TOUCHERS threads read and write, ROUNDS times each; one thread answers faults,
 * WORKERS fetch and evict, one follows a plan (sends away and brings), one lets a tensor die and another be born there.
 * What the processor and Linux do at once is one step: a touch of a page that is there, a move of a page. All else that
 * the code does with the lock held is under `lock` here, too, and what it does without is not. That bytes which the slow
 * tier has already are not written again (pager_copies.cpp) makes no other state: they are compared where they would be written.
 */
#ifndef CHUNKS
#define CHUNKS 2
#endif
#ifndef FRAMES
#define FRAMES 1
#endif
#ifndef TOUCHERS
#define TOUCHERS 1
#endif
#ifndef WORKERS
#define WORKERS 1
#endif
#ifndef ROUNDS
#define ROUNDS 2
#endif
#ifndef BUG
#define BUG 0
#endif
/* Mistakes that must be found (tests/model/test_model.py):
   1: a chunk that is touched while it is written out stands by all the same
   2: a frame is written before it is taken out of the arena
   3: nobody is woken who touched while a chunk was on its way back
   4: what dies while it is read for a touch is not brought to the end
   5: a frame is made beyond the limit */

mtype = { Empty, Placing, Resident, Aside, Evicting, Standby, Slow, Fetching };

mtype state[CHUNKS] = Empty;
bool there[CHUNKS];    /* a page is in the arena */
byte frame[CHUNKS];    /* what its frame holds, wherever that is */
byte store[CHUNKS];    /* what the slow tier holds of it */
byte truth[CHUNKS];    /* what was written last */
bool written[CHUNKS];  /* since it was born: before that it may hold anything */
bool live[CHUNKS] = true;
bool wanted[CHUNKS], demanded[CHUNKS];
byte used;             /* frames made */
byte spare;            /* of those, free ones */
byte turns;            /* of the touchers, left */
bool lock;

byte waits_at[TOUCHERS];               /* chunk plus one; 0: runs */
chan faults = [TOUCHERS + 1] of { byte };

inline acquire() { atomic { !lock -> lock = true } }
inline release() { lock = false }

inline wake(c) {
  d_step {
    w = 0;
    do
    :: w < TOUCHERS -> if :: waits_at[w] == c + 1 -> waits_at[w] = 0 :: else fi; w++
    :: else -> break
    od;
    w = 0
  }
}

/* Frames that cost no transfer: free ones, new ones, those of the dead, those that stand by. found: whether there is one. */
inline cheap_frame() {
  found = false;
  v = 0;
  if
  :: spare > 0 -> spare--; found = true
  :: else ->
    if
    :: used < FRAMES || (BUG == 5 && used == FRAMES) -> used++; found = true
    :: else ->
      do
      :: v < CHUNKS ->
        if
        :: state[v] == Standby -> state[v] = Slow; found = true; break
        :: else -> v++
        fi
      :: else -> break
      od;
      v = 0;
      do
      :: !found && v < CHUNKS ->
        if
        :: state[v] == Resident && !live[v] -> take(v);
          if
          :: state[v] == Evicting -> put(v)  /* born again meanwhile */
          :: state[v] == Empty && spare > 0 -> spare--; found = true; break
          :: else
          fi;
          v++
        :: else -> v++
        fi
      :: else -> break
      od
    fi
  fi;
  v = 0
}

/* Into the arena; who waits there goes on. */
inline put(c) {
  release();
  atomic { assert(!there[c]); there[c] = true; if :: BUG != 3 -> wake(c) :: else fi }
  acquire();
  state[c] = Resident;
  wanted[c] = false;
  if :: BUG != 3 -> wake(c) :: else fi
}

inline settle(c) {
  if
  :: wanted[c] -> wanted[c] = false; demanded[c] = true
  :: else
  fi
}

/* Out of the arena, in transit. Afterwards: Evicting with its frame in the pool; or something else, done. */
inline take(c) {
  state[c] = Evicting;
  if
  :: BUG == 2 -> store[c] = frame[c]
  :: else
  fi;
  release();
  there[c] = false;
  acquire();
  if
  :: !live[c] -> spare++; state[c] = Empty; settle(c)
  :: live[c] && wanted[c] -> put(c)
  :: else
  fi
}

inline write_out(c) {
  release();
  if
  :: BUG != 2 -> store[c] = frame[c]
  :: else
  fi;
  acquire();
  if
  :: !live[c] -> spare++; state[c] = Empty; settle(c)
  :: live[c] && wanted[c] && BUG != 1 -> put(c)
  :: else -> state[c] = Standby
  fi
}

/* One chunk that is there leaves, or one that lies aside is written. found: whether there was one. */
inline evict() {
  found = false;
  v = 0;
  do
  :: v < CHUNKS && state[v] == Aside -> found = true; state[v] = Evicting; write_out(v); break
  :: v < CHUNKS && state[v] != Aside -> v++
  :: v == CHUNKS -> break
  od;
  v = 0;
  do
  :: !found && v < CHUNKS ->
    if
    :: state[v] == Resident && live[v] ->
      found = true;
      take(v);
      if
      :: state[v] == Evicting -> state[v] = Aside
      :: else
      fi
    :: else -> v++
    fi
  :: else -> break
  od;
  v = 0
}

inline read_in(c) {
  state[c] = Fetching;
  release();
  frame[c] = store[c];
  acquire();
  if
  :: live[c] || wanted[c] -> put(c)
  :: else -> spare++; state[c] = Empty; settle(c)
  fi
}

/* done: whether the chunk is there, or somebody brings it. */
inline fetch(c, urgent) {
  done = false;
  do
  :: state[c] == Resident -> wake(c); done = true; break
  :: state[c] == Placing || state[c] == Fetching || state[c] == Evicting ->
    if :: urgent -> wanted[c] = true :: else fi;
    done = true;
    break
  :: state[c] == Aside || state[c] == Standby -> state[c] = Placing; put(c); done = true; break
  :: state[c] == Empty || state[c] == Slow ->
    cheap_frame();
    if
    :: found && state[c] == Slow ->
      if :: urgent && BUG != 4 -> wanted[c] = true :: else fi;
      read_in(c);
      done = true;
      break
    :: found && state[c] == Empty -> state[c] = Placing; put(c); done = true; break
    :: found && state[c] != Slow && state[c] != Empty -> spare++   /* the lock was dropped for it */
    :: !found ->
      if
      :: urgent -> evict(); if :: !found -> break :: else fi
      :: else -> break
      fi
    fi
  od
}

proctype Toucher(byte me) {
  byte c = 0, round = 0;
  do
  :: round < ROUNDS ->
    if :: c = 0 :: CHUNKS > 1 -> c = CHUNKS - 1 fi;
again:
    atomic {
      if
      :: there[c] ->
        if
        :: written[c] -> assert(frame[c] == truth[c])
        :: else
        fi;
        if
        :: true  /* reads */
        :: true -> truth[c] = 1 + truth[c] % 3; frame[c] = truth[c]; written[c] = true
        fi
      :: else -> waits_at[me] = c + 1
      fi
    }
    if
    :: waits_at[me] != 0 -> faults ! c; waits_at[me] == 0; goto again
    :: else
    fi;
    round++
  :: else -> break
  od;
  turns--
}

active proctype Answerer() {
  byte c = 0, v = 0, w = 0;
  bool found, done;
end:
  do
  :: faults ? c ->
    acquire();
    if
    :: state[c] == Resident -> wake(c)
    :: state[c] == Aside || state[c] == Standby -> fetch(c, false)
    :: state[c] == Empty -> fetch(c, false); if :: !done -> demanded[c] = true :: else fi
    :: state[c] == Slow -> demanded[c] = true
    :: else -> wanted[c] = true
    fi;
    assert(used <= FRAMES);
    release()
  od
}

proctype Worker() {
  byte c = 0, v = 0, w = 0;
  bool found, done;
end:
  do
  :: atomic { !lock && demanded[0] -> lock = true; c = 0 }
    demanded[c] = false;
    fetch(c, true);
    if :: !done -> demanded[c] = true :: else fi;
    release()
  :: atomic { !lock && demanded[CHUNKS - 1] -> lock = true; c = CHUNKS - 1 }
    demanded[c] = false;
    fetch(c, true);
    if :: !done -> demanded[c] = true :: else fi;
    release()
  od
}

/* A plan's transfers: any chunk out, any chunk in, once each. */
active proctype Mover() {
  byte c = 0, v = 0, w = 0;
  bool found;
  if :: c = 0 :: c = CHUNKS - 1 fi;
  acquire();
  if
  :: state[c] == Resident && live[c] ->
    take(c);
    if
    :: state[c] == Evicting -> write_out(c)
    :: else
    fi
  :: else
  fi;
  release();
  acquire();
  if
  :: state[c] == Slow && live[c] ->
    cheap_frame();
    if
    :: found && state[c] == Slow && live[c] -> read_in(c)
    :: found && !(state[c] == Slow && live[c]) -> spare++
    :: else
    fi
  :: else
  fi;
  release()
}

/* A tensor of the first chunk dies, and another is born there. Nobody who still touches it does so by right, but a
   touch must not hang. */
active proctype Owner() {
  byte c = 0;
  acquire();
  live[c] = false;
  written[c] = false;
  if
  :: state[c] == Aside || state[c] == Standby -> spare++; state[c] = Empty
  :: state[c] == Slow -> state[c] = Empty
  :: else
  fi;
  release();
  acquire();
  live[c] = true;
  release()
}

init {
  byte i = 0;
  atomic {
    turns = TOUCHERS;
    do
    :: i < TOUCHERS -> run Toucher(i); i++
    :: else -> break
    od;
    i = 0;
    do
    :: i < WORKERS -> run Worker(); i++
    :: else -> break
    od
  }
  turns == 0  /* each touch came back, or this is an end that spin complains about */
}
