/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pager where kernels work in slow memory (src/memory/pager_in_place.cpp): each chunk has a frame of fast or of slow
 * memory at its address, and a plan's moves change the one for the other. No wrong byte, no frame of either kind beyond its
 * limit, and no end but the one where every touch has come back.
 *
 *   spin -DTOUCHERS=2 -DROUNDS=1 -run -safety -m2000000 pager_in_place.pml
 *
 * As in pager.pml, what the processor and Linux do at once is one step, and `lock` is held where the code holds it.
 */
#ifndef CHUNKS
#define CHUNKS 2
#endif
#ifndef FAST
#define FAST 1
#endif
#ifndef TOUCHERS
#define TOUCHERS 1
#endif
#ifndef ROUNDS
#define ROUNDS 2
#endif
#ifndef MOVES
#define MOVES 2
#endif
#ifndef BUG
#define BUG 0
#endif
#define SLOW (CHUNKS + 1) /* every tensor has reserved its own; one more for a touch where no tensor is */
/* Mistakes that must be found (tests/model/test_model.py):
   1: a chunk is copied to slow memory before its frame is taken out of the arena
   2: the same to fast memory
   3: nobody is woken when a chunk comes back in a frame of the other kind
   4: what dies in transit while it is touched is not brought again
   5: a newborn takes a frame of the other kind out of the arena though its chunk is in transit */

mtype = { Empty, Placing, Resident, InPlace, Evicting, Fetching };

mtype state[CHUNKS] = Empty;
bool there[CHUNKS];    /* a page is in the arena */
byte held[CHUNKS];     /* what the frame at the address holds */
byte truth[CHUNKS];    /* what was written last */
bool written[CHUNKS];  /* since it was born: before that it may hold anything */
bool live[CHUNKS] = true;
bool wanted[CHUNKS], demanded[CHUNKS];
byte fast, slow;       /* frames in use */
byte turns;            /* of the touchers, left */
bool unborn;           /* the first chunk's tensor is dead, or its birth is not over: who touches it does so by mistake */
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

/* A frame with `byte_` goes into the arena, where the chunk then is as `how`; who waits there goes on. */
inline put(c, how, byte_) {
  release();
  atomic { assert(!there[c]); there[c] = true; held[c] = byte_; if :: BUG != 3 -> wake(c) :: else fi }
  acquire();
  state[c] = how;
  wanted[c] = false;
  if :: BUG != 3 -> wake(c) :: else fi
}

/* Where nothing is any more: who has touched it meanwhile needs a frame. */
inline settle(c) {
  state[c] = Empty;
  if
  :: wanted[c] && BUG != 4 -> wanted[c] = false; demanded[c] = true
  :: else
  fi
}

/* A frame for a chunk that has none: fast where there is one, else slow. */
inline place(c) {
  state[c] = Placing;
  if
  :: fast < FAST -> fast++; assert(fast <= FAST); put(c, Resident, 0)
  :: else -> slow++; assert(slow <= SLOW); put(c, InPlace, 0)
  fi
}

inline move_out(c) {
  slow++;
  assert(slow <= SLOW);
  state[c] = Evicting;
  if :: BUG == 1 -> copy = held[c] :: else fi;
  release();
  atomic { there[c] = false; if :: BUG != 1 -> pool = held[c] :: else fi }
  acquire();
  if
  :: !live[c] -> fast--; slow--; settle(c)
  :: live[c] && wanted[c] && BUG != 1 -> slow--; put(c, Resident, pool)
  :: live[c] && (!wanted[c] || BUG == 1) ->
    release();
    if :: BUG != 1 -> copy = pool :: else fi;
    acquire();
    fast--;
    if
    :: live[c] -> put(c, InPlace, copy)
    :: else -> slow--; settle(c)
    fi
  fi
}

inline move_in(c) {
  fast++;
  assert(fast <= FAST);
  state[c] = Fetching;
  if :: BUG == 2 -> copy = held[c] :: else fi;
  release();
  atomic { there[c] = false; if :: BUG != 2 -> pool = held[c] :: else fi }
  acquire();
  release();
  if :: BUG != 2 -> copy = pool :: else fi;
  acquire();
  slow--;
  if
  :: live[c] -> put(c, Resident, copy)
  :: else -> fast--; settle(c)
  fi
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
        :: written[c] -> assert(held[c] == truth[c])
        :: else
        fi;
        if
        :: true  /* reads */
        :: true -> truth[c] = 1 + truth[c] % 3; held[c] = truth[c]; written[c] = !(unborn && c == 0)
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
  byte c = 0, w = 0;
end:
  do
  :: faults ? c ->
    acquire();
    if
    :: state[c] == Resident || state[c] == InPlace -> wake(c)
    :: state[c] == Empty -> place(c)
    :: else -> wanted[c] = true
    fi;
    release()
  od
}

active proctype Worker() {
  byte c = 0, w = 0;
end:
  do
  :: atomic { !lock && demanded[0] -> lock = true; c = 0 }
    demanded[c] = false;
    if :: state[c] == Empty -> place(c) :: state[c] != Empty -> wake(c) fi;
    release()
  :: atomic { !lock && demanded[CHUNKS - 1] -> lock = true; c = CHUNKS - 1 }
    demanded[c] = false;
    if :: state[c] == Empty -> place(c) :: state[c] != Empty -> wake(c) fi;
    release()
  od
}

active proctype Mover() {
  byte c = 0, w = 0, moves = 0, pool = 0, copy = 0;
  do
  :: moves < MOVES ->
    if :: c = 0 :: c = CHUNKS - 1 fi;
    acquire();
    if
    :: state[c] == Resident && live[c] -> move_out(c)
    :: state[c] == InPlace && live[c] && fast < FAST -> move_in(c)
    :: else
    fi;
    release();
    moves++
  :: else -> break
  od
}

/* A tensor of the first chunk dies, and maybe another is born there, of either kind: a frame of the other kind, from the life before,
   holds nothing and goes. A touch meanwhile must not hang. */
active proctype Owner() {
  byte c = 0, w = 0;
  acquire();
  atomic { live[c] = false; written[c] = false; unborn = true };
  release();
  if :: goto over :: true fi;  /* maybe none is born */
  acquire();
  live[c] = true;
  if
  :: state[c] == Resident -> if :: there[c] = false; fast--; state[c] = Empty :: true fi
  :: state[c] == InPlace && fast < FAST -> if :: there[c] = false; slow--; state[c] = Empty :: true fi
  :: BUG == 5 && state[c] == Fetching -> there[c] = false; slow--; state[c] = Empty
  :: else
  fi;
  if :: state[c] == Empty -> place(c) :: else fi;
  unborn = false;
  release();
over:
  skip
}

init {
  byte i = 0;
  atomic {
    turns = TOUCHERS;
    do
    :: i < TOUCHERS -> run Toucher(i); i++
    :: else -> break
    od
  }
  turns == 0  /* each touch came back, or this is an end that spin complains about */
}
