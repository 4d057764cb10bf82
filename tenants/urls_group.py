"""The platform's pages on a group's host."""

from django.urls import URLPattern, path

from tenants.views import handoff, tokens

urlpatterns: list[URLPattern] = [
    path("handoff/<str:token>/", handoff.arrive, name="handoff"),
    path("tokens/", tokens.own_tokens, name="tokens"),
    path("tokens/<int:token_id>/exchange/", tokens.token_exchange, name="token_exchange"),
    path("tokens/<int:token_id>/revoke/", tokens.token_revoke, name="token_revoke"),
]
