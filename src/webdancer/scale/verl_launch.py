"""The launch script of a verl export: every setting of DAPO under its name in verl 0.9, with the source of its value.

Called by `scale.verl_export`. In: the parameters of 06_dapo as the papers have them (`params/paper`) and as a profile
has them. Out: the text of `launch.sh`, which takes either. Departures from the papers (DAPO arXiv 2503.14476, WebDancer
arXiv 2505.22648), each said in the script: verl averages over the tokens of a whole update and not of a group, and its
soft overlong punishment counts the tokens of the response, observations included. What neither paper publishes is ours.
"""

from collections.abc import Mapping
from typing import Any

# Shell variable, parameter of 06_dapo, what the papers say. GROUPS is a name that bash keeps for itself.
SETTINGS = (
    ("QUESTIONS", "groups", "live questions a step; DAPO 512, WebDancer not published"),
    ("G", "samples", "rollouts a question; WebDancer E.3 and DAPO 4.1: 16"),
    ("UPDATES", "minibatches", "updates a step; DAPO 4.1: 16, WebDancer not published"),
    ("STEPS", "steps", "not published"),
    ("EPS_LOW", "eps_low", "DAPO 3.1: 0.2"),
    ("EPS_HIGH", "eps_high", "clip higher, DAPO 3.1: 0.28"),
    ("LR", "lr", "AdamW; DAPO 4.1: 1e-6, WebDancer not published"),
    ("WARMUP", "warmup", "steps; DAPO 4.1: 20"),
    ("TEMPERATURE", "temperature", "WebDancer E.3: 1.0"),
    ("OVERLONG", "overlong_buffer", "tokens of soft overlong punishment, 0: none; DAPO 3.4: 4,096 of 20,480"),
    ("OVERLONG_FILTER", "overlong_filter", "what a limit cut off stays out of the loss; DAPO 3.4"),
)
# Of an episode: these go with the model and its web, so they are the profile's whichever settings are taken.
LIMITS = (
    ("MAX_TURNS", "max_turns", "assistant turns of an episode"),
    ("MAX_TOKENS", "max_tokens", "tokens of an episode, prompt and observations included"),
    ("MAX_TURN_TOKENS", "max_turn_tokens", "tokens of one turn"),
    ("OBSERVATION", "max_observation_chars", "characters of an observation"),
    ("TEST_EVERY", "dev_every", "steps between two looks at the validation questions"),
    ("SAVE_EVERY", "checkpoint_every", "steps between two checkpoints"),
    ("SEED", "seed", "of the order of the questions"),
)

HEAD = """#!/usr/bin/env bash
# DAPO of the profile @PROFILE@ with verl 0.9.1. README.md says what to install and to start first.
#   MODEL=FOLDER ./launch.sh                    the papers' settings (params/paper/06_dapo.yaml)
#   MODEL=FOLDER SETTINGS=profile ./launch.sh   the profile's (params/@PROFILE@/06_dapo.yaml)
#   G=8 MODEL=FOLDER ./launch.sh                any variable below can be set from outside
#   DRY_RUN=1 ./launch.sh                       print the flags and do nothing
# "WebDancer" is arXiv 2505.22648, "DAPO" is arXiv 2503.14476; a number and no paper: not published, ours.
set -euo pipefail
HERE="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"

# The machines: yours.
MODEL=${MODEL:-}         # model folder saved by 05_sft, on a disk that every node reads
OUT=${OUT:-$HERE/run}    # checkpoints and logs
NODES=${NODES:-1}        # WebDancer: 32 nodes of 8 H20
GPUS=${GPUS:-8}          # a node
TP=${TP:-1}              # GPUs that share one copy of the weights when sampling
MEMORY=${MEMORY:-0.6}    # share of a GPU's memory for sampling
TOOLS=${WEBDANCER_TOOLS_URL:-}  # address of the snapshot service; empty: every worker makes an index of its own
"""

FLAGS = """
flags=(
  # The objective: DAPO, equations 8 to 10; WebDancer, equations 3 and 4.
  algorithm.adv_estimator=grpo                          # (R - mean) / std of the group: no critic
  algorithm.norm_adv_by_std_in_grpo=True                # WebDancer, equation 4; the sample's std, as in dapo_loss
  algorithm.use_kl_in_reward=False                      # no KL: DAPO 2.3
  actor_rollout_ref.actor.use_kl_loss=False             # no KL: WebDancer, equation 3
  actor_rollout_ref.actor.entropy_coeff=0               # none in the papers
  actor_rollout_ref.actor.clip_ratio=$EPS_LOW           # not read: the two below are
  actor_rollout_ref.actor.clip_ratio_low=$EPS_LOW
  actor_rollout_ref.actor.clip_ratio_high=$EPS_HIGH
  actor_rollout_ref.actor.clip_ratio_c=1.0e+9           # no dual clip, as in the papers; verl's recipe: 10
  actor_rollout_ref.actor.loss_agg_mode=token-mean      # DAPO 3.3; verl: over an update, the papers: over a group
  actor_rollout_ref.rollout.n=$G
  data.train_batch_size=$QUESTIONS
  actor_rollout_ref.actor.ppo_mini_batch_size=$((QUESTIONS / UPDATES))  # in questions: verl multiplies by G
  actor_rollout_ref.actor.ppo_epochs=1                  # each rollout is used once: DAPO 4.1
  # Dynamic sampling: groups all right or all wrong are thrown away and others sampled (DAPO 3.2, WebDancer 3.2).
  algorithm.filter_groups.enable=True
  algorithm.filter_groups.metric=acc                    # on answers: the form alone gives an all-wrong group spread
  trainer.use_v1=True                                   # the trainer that filters, until a batch is full
  # The reward: 0.1 form + 0.9 answer (WebDancer, equation 5), soft overlong punishment (DAPO, equation 13).
  reward.custom_reward_function.path="$HERE/reward.py"
  reward.custom_reward_function.name=compute_score
  reward.reward_manager.source=importlib                # verl's DAPO manager, which also hands on what the loop saw
  reward.reward_manager.name=RewardManager
  reward.reward_manager.module.path=pkg://webdancer.scale.verl_reward
  +reward.reward_kwargs.overlong_buffer_cfg.enable=$([ "$OVERLONG" -gt 0 ] && echo True || echo False)
  +reward.reward_kwargs.overlong_buffer_cfg.len=$OVERLONG
  +reward.reward_kwargs.overlong_buffer_cfg.penalty_factor=1.0  # takes 1 off at most
  +reward.reward_kwargs.overlong_buffer_cfg.log=False   # verl's recipe
  +reward.reward_kwargs.max_resp_len=$((MAX_TOKENS - PROMPT))   # verl counts the response; 06_dapo the whole episode
  # The optimiser.
  actor_rollout_ref.actor.optim.lr=$LR
  actor_rollout_ref.actor.optim.lr_warmup_steps=$WARMUP
  actor_rollout_ref.actor.optim.lr_scheduler_type=constant  # DAPO 4.1
  actor_rollout_ref.actor.optim.weight_decay=0.0        # ours, dapo.Run; verl's recipe: 0.1
  'actor_rollout_ref.actor.optim.betas=[0.9,0.98]'      # ours, dapo_batch.Settings
  actor_rollout_ref.actor.grad_clip=1.0                 # ours, dapo_batch.Settings
  # Rollouts: the loop of webdancer.scale.verl_loop, with tools over a web that stands still.
  actor_rollout_ref.rollout.name=vllm                   # WebDancer E.3
  actor_rollout_ref.rollout.mode=async
  actor_rollout_ref.rollout.temperature=$TEMPERATURE
  actor_rollout_ref.rollout.top_p=1.0                   # WebDancer E.3
  actor_rollout_ref.rollout.top_k=-1                    # all tokens
  actor_rollout_ref.rollout.calculate_log_probs=True
  actor_rollout_ref.rollout.multi_turn.enable=True
  actor_rollout_ref.rollout.multi_turn.function_tool_path="$HERE/tools.py"
  actor_rollout_ref.rollout.multi_turn.max_assistant_turns=$MAX_TURNS
  actor_rollout_ref.rollout.multi_turn.max_tool_response_length=$OBSERVATION  # for verl's own loop; the tools cut
  actor_rollout_ref.rollout.agent.agent_loop_config_path="$HERE/agent_loop.yaml"
  actor_rollout_ref.rollout.agent.default_agent_loop=webdancer
  +webdancer.max_turns=$MAX_TURNS
  +webdancer.max_tokens=$MAX_TOKENS
  +webdancer.max_turn_tokens=$MAX_TURN_TOKENS
  +webdancer.overlong_filter=$OVERLONG_FILTER
  actor_rollout_ref.rollout.max_model_len=$MAX_TOKENS
  actor_rollout_ref.rollout.tensor_model_parallel_size=$TP
  actor_rollout_ref.rollout.gpu_memory_utilization=$MEMORY
  actor_rollout_ref.rollout.val_kwargs.do_sample=True   # validation as in 06_dapo: two tries at the same temperature
  actor_rollout_ref.rollout.val_kwargs.n=2
  actor_rollout_ref.rollout.val_kwargs.temperature=$TEMPERATURE
  actor_rollout_ref.rollout.val_kwargs.top_p=1.0
  # Data and memory.
  data.train_files="$HERE/train.parquet"
  data.val_files="$HERE/validation.parquet"
  data.max_prompt_length=$PROMPT
  data.max_response_length=$MAX_TOKENS                  # a bound: the loop counts prompt and response together
  data.truncation=error
  data.seed=$SEED
  actor_rollout_ref.model.path="${MODEL:-MODEL}"
  actor_rollout_ref.model.enable_gradient_checkpointing=True
  actor_rollout_ref.actor.use_dynamic_bsz=True
  actor_rollout_ref.actor.ppo_max_token_len_per_gpu=$((2 * MAX_TOKENS))
  # The run.
  trainer.nnodes=$NODES
  trainer.n_gpus_per_node=$GPUS
  trainer.total_training_steps=$STEPS
  trainer.total_epochs=1000000                          # the steps end it
  trainer.test_freq=$((TEST_EVERY > 0 ? TEST_EVERY : -1))
  trainer.save_freq=$((SAVE_EVERY > 0 ? SAVE_EVERY : -1))
  trainer.default_local_dir="$OUT"
  trainer.project_name=webdancer
  trainer.experiment_name=@PROFILE@
  'trainer.logger=[console,tensorboard]'
)
[ -z "$TOOLS" ] || flags+=("+ray_kwargs.ray_init.runtime_env.env_vars.WEBDANCER_TOOLS_URL=$TOOLS")  # on every node

if [ -n "${DRY_RUN:-}" ]; then
  printf '%s\\n' "${flags[@]}" "$@"
  exit 0
fi
[ -n "$MODEL" ] || { echo "MODEL is not set: give the model folder saved by 05_sft" >&2; exit 2; }
[ $((QUESTIONS % UPDATES)) -eq 0 ] || { echo "QUESTIONS=$QUESTIONS is no multiple of UPDATES=$UPDATES" >&2; exit 2; }
exec python3 -m verl.trainer.main_ppo "${flags[@]}" "$@"
"""


def script(profile: str, ours: Mapping[str, Any], paper: Mapping[str, Any], prompt: int) -> str:
    """The text of `launch.sh`.

    Args:
        profile: its name. ours: the parameters of its 06_dapo. paper: those of the profile `paper`.
        prompt: most tokens that a prompt may have.

    Raises:
        ValueError: the prompt leaves no room in an episode.
    """
    if prompt >= ours["max_tokens"]:
        raise ValueError(f"got prompts of {prompt} tokens and max_tokens={ours['max_tokens']}, wanted room for answers")
    # A buffer as long as the paper's may be longer than a short episode: then the same share of it, a fifth.
    buffer = min(paper["overlong_buffer"], ours["max_tokens"] // 5)
    blocks = [
        "# An episode.",
        *(_line(shell, ours[name], f"{says}; params/{profile}: {name}") for shell, name, says in LIMITS),
        _line("PROMPT", prompt, "tokens of the longest prompt"),
        "",
        "# DAPO.",
        'case "${SETTINGS:-paper}" in',
        "paper)",
        *(_line(shell, ({**paper, "overlong_buffer": buffer})[name], says, "  ") for shell, name, says in SETTINGS),
        "  ;;",
        "profile)",
        *(_line(shell, ours[name], f"params/{profile}: {name}", "  ") for shell, name, says in SETTINGS),
        "  ;;",
        '*) echo "SETTINGS=$SETTINGS, wanted paper or profile" >&2; exit 2 ;;',
        "esac",
    ]
    return (HEAD + "\n" + "\n".join(blocks) + "\n" + FLAGS).replace("@PROFILE@", profile)


def _line(shell: str, value: Any, comment: str, indent: str = "") -> str:
    """An assignment that a variable of the caller goes before, with its source."""
    return f"{indent}{f'{shell}=${{{shell}:-{value}}}':<34}  # {comment}"
