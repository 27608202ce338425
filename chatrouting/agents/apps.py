from django.apps import AppConfig


class AgentsConfig(AppConfig):
    name = "chatrouting.agents"
    label = "chatrouting_agents"
    verbose_name = "Agents"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from chatrouting.agents.messages import AgentDelta
        from chatrouting.stream.patience import let_wait

        let_wait(AgentDelta)
