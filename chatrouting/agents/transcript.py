"""What an agent says, as its members are told of it: each thing once, also where the agent goes on from before."""

from chatrouting.agents import saving
from chatrouting.agents.contract import AgentError, Final, Usage
from chatrouting.agents.masking import storable
from chatrouting.agents.messages import AgentThinking
from chatrouting.agents.models import Run
from chatrouting.agents.publisher import DELTA_CHARACTERS, RunPublisher
from chatrouting.agents.saving import Place, used_by
from chatrouting.conf import chat_settings
from chatrouting.database import patiently


class Transcript:
    """The text, thoughts and usage of one attempt. `place` is where the agent goes on."""

    def __init__(self, run: Run, publisher: RunPublisher, place: Place) -> None:
        self._run = run
        self._publisher = publisher
        self._repeated_text = place.repeated_text
        self._repeated_thoughts = place.repeated_thoughts
        self.thoughts = place.thoughts + place.repeated_thoughts
        self.usage = used_by(run)

    async def settled(self) -> None:
        """Wait until everything said so far stands in the streams. Raises `Fenced`."""
        await self._publisher.settled()

    async def write(self, text: str) -> None:
        """Add a piece to the answer, but what repeats what was told since the agent saved."""
        piece, known = storable(text), self._repeated_text
        if known.startswith(piece):
            self._repeated_text = known.removeprefix(piece)
            return
        self._repeated_text = ""
        await self._publisher.write(piece.removeprefix(known))

    async def think(self, text: str) -> None:
        """Show a thought, unless it was told since the agent saved, or thoughts are switched off."""
        if self._repeated_thoughts:
            self._repeated_thoughts -= 1
        elif chat_settings().thinking:
            self.thoughts += 1
            shown = storable(text[:DELTA_CHARACTERS])
            await self._publisher.publish(AgentThinking(text=shown, step=self.thoughts))

    def count(self, usage: Usage) -> None:
        """Note what was used. Raises `AgentError` where it is more than a run may use."""
        self.usage = usage
        allowed = chat_settings().run_tokens
        if usage.input_tokens + usage.output_tokens > allowed:
            text = f"The answer took more than the {allowed:,} tokens that a run may use."
            raise AgentError("token_budget", text)

    async def end(self, final: Final) -> None:
        """Add what the final content has beyond what was written. Raises as `count` does."""
        whole, written = storable(final.content or ""), self._publisher.text
        if whole.startswith(written):
            await self._publisher.write(whole[len(written) :])
        if final.usage is not None:
            self.count(final.usage)

    async def save(self, state: object, calls: int) -> None:
        """Keep a place to go on from. Raises `AgentError` where its state cannot be kept."""
        told = Place(text=self._publisher.text, thoughts=self.thoughts, calls=calls)
        self._repeated_text, self._repeated_thoughts = "", 0
        await patiently(saving.save, self._run, saving.as_json(state), told, self.usage)
