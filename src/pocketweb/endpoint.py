"""An OpenAI-compatible endpoint for the rule-based stand-ins: `/v1/models` and `/v1/chat/completions`.

Stages 02, 03, 04 and 07 reach it through the `openai` client. In: HTTP requests. Out: what `oracle.reply` makes of
them, as JSON; errors in the form that OpenAI gives. Nothing here or in `oracle` imports a world or its pages: the
stand-ins see the messages of a request and nothing else. Streaming is not offered.
"""

import json
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pocketweb import oracle


def app() -> Starlette:
    """The ASGI application, to be mounted or served by `serve`."""
    routes = [
        Route("/v1/models", _models),
        Route("/v1/models/{model}", _model),
        Route("/v1/chat/completions", _completions, methods=["POST"]),
    ]
    return Starlette(routes=routes, exception_handlers={404: _no_route, 405: _no_route})


def _card(model: str) -> dict[str, Any]:
    return {"id": model, "object": "model", "created": oracle.CREATED, "owned_by": "pocketweb (rule-based stand-in)"}


def _error(message: str, status: int, code: str | None = None) -> JSONResponse:
    """An error in OpenAI's form."""
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": code}
    return JSONResponse({"error": error}, status)


async def _models(request: Request) -> Response:
    return JSONResponse({"object": "list", "data": [_card(m) for m in oracle.MODELS]})


async def _model(request: Request) -> Response:
    model = request.path_params["model"]
    if model not in oracle.MODELS:
        return _error(f"The model `{model}` does not exist.", 404, "model_not_found")
    return JSONResponse(_card(model))


async def _completions(request: Request) -> Response:
    try:
        body = json.loads(await request.body())
    except (ValueError, RecursionError) as error:
        return _error(f"the body is not valid JSON ({error}): send an object with model and messages", 400)
    try:
        # json.dumps escapes what UTF-8 cannot hold, such as half a surrogate pair that a model has echoed.
        return Response(json.dumps(oracle.reply(body)), media_type="application/json")
    except oracle.RequestError as error:
        return _error(str(error), error.status, error.code)


async def _no_route(request: Request, error: Exception) -> Response:
    status = getattr(error, "status_code", 404)
    return _error(f"Invalid URL ({request.method} {request.url.path})", status)
