# SPDX-License-Identifier: Apache-2.0
# bash completion for tensock(1)

# The models that the host holds, if it answers at once.
_tensock_models()
{
	local words=() i
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		--host) words+=(--host "${COMP_WORDS[i + 1]}") ;;
		--yes-i-am-a-guest) words+=(--yes-i-am-a-guest) ;;
		esac
	done
	timeout 1 tensock "${words[@]}" ls 2>/dev/null |
		awk 'NR > 1 && $1 != "-" { sub(/:.*/, "", $1); print $1 }'
}

_tensock()
{
	local cur prev command='' i shared='--host --json --help --yes-i-am-a-guest'
	cur=${COMP_WORDS[COMP_CWORD]}
	prev=${COMP_WORDS[COMP_CWORD - 1]}
	COMPREPLY=()
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		--host) ((i++)) ;;
		-*) ;;
		*) command=${COMP_WORDS[i]}; break ;;
		esac
	done
	case $prev in
	--host)
		COMPREPLY=($(compgen -W 'vsock:2:9999 unix: tcp:127.0.0.1:' -- "$cur"))
		compopt -o nospace 2>/dev/null
		return
		;;
	--listen)
		COMPREPLY=($(compgen -W 'tcp:127.0.0.1: unix:' -- "$cur"))
		compopt -o nospace 2>/dev/null
		return
		;;
	--max-connections | --repeat | --tolerance | --deadline | --duration | --warm-up | --concurrency | --shape | --name | --version)
		return
		;;
	--input | --output | --expect | -i | -o)
		compopt -o nospace 2>/dev/null
		return
		;;
	esac
	local options=
	case $command in
	'') COMPREPLY=($(compgen -W "run push ls show rm ps bench convert doctor proxy attach detach guests $shared --version" -- "$cur")); return ;;
	run) options='--input --shape --full --output --expect --tolerance --repeat --deadline' ;;
	push) options='--name --version' ;;
	rm) options='--unload-only' ;;
	proxy) options='--listen --max-connections --allow-remote' ;;
	attach) options='--vhost-socket --cid --uds --hybrid --control' ;;
	detach) options='--force --control' ;;
	guests) options='--control' ;;
	bench) options='--concurrency --duration --warm-up --deadline --input --shape' ;;
	esac
	if [[ $cur == -* ]]; then
		COMPREPLY=($(compgen -W "$options $shared" -- "$cur"))
		return
	fi
	case $command in
	run | show | bench) COMPREPLY=($(compgen -f -- "$cur") $(compgen -W "$(_tensock_models)" -- "$cur")) ;;
	push | convert) COMPREPLY=($(compgen -f -- "$cur")) ;;
	rm) COMPREPLY=($(compgen -W "$(_tensock_models)" -- "$cur")) ;;
	esac
	compopt -o filenames 2>/dev/null
}

complete -F _tensock tensock
