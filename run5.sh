cd /tmp/exp; P=/work/main/.venv/bin/python; export SSKSEG_DATA=/work/shared/data
export PYTHONPATH=/tmp/exp/new2
for c in "1 1 1" "4 1 1" "1 2 1" "1 1 2" "4 1 2" "1 2 2"; do set -- $c; echo "NU $1 MI $2 seed $3"; NU=$1 MI=$2 $P val.py $3 steps 946 q 2>&1 | tail -2; done
echo "epfl base"; PYTHONPATH=/tmp/exp/base $P epfl.py 0 4 time 240 2>&1 | tail -1
echo "epfl new NU1 MI1"; NU=1 MI=1 $P epfl.py 0 4 time 240 2>&1 | tail -1
