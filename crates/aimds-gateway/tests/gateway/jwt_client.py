"""Tokens of PyJWT for the gateway, and tokens of the gateway for PyJWT. Run by clients.rs.

make FOLDER: writes jwks.json and tokens.json, {"good": {name: token}, "bad": {name: token}}.
verify JWKS TOKEN: fails unless the token is good.
"""

import base64
import hashlib
import hmac
import json
import sys
import time
from pathlib import Path

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa


def encoded(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def make(folder):
    kinds = {
        "RS256": rsa.generate_private_key(public_exponent=65537, key_size=2048),
        "ES256": ec.generate_private_key(ec.SECP256R1()),
        "EdDSA": ed25519.Ed25519PrivateKey.generate(),
    }
    now = int(time.time())
    claims = {"iss": "https://id.example", "aud": ["other", "aimds"], "sub": "py", "tenant": "acme", "roles": "app x"}
    claims |= {"iat": now, "nbf": now, "exp": now + 600}
    keys, good, bad = [], {}, {}
    for name, key in kinds.items():
        public = jwt.get_algorithm_by_name(name).to_jwk(key.public_key(), as_dict=True)
        keys.append(public | {"kid": name, "use": "sig"})
        good[name] = jwt.encode(claims, key, algorithm=name, headers={"kid": name})
        good[f"{name} without kid"] = jwt.encode(claims, key, algorithm=name)
        bad[f"{name} expired"] = jwt.encode(claims | {"exp": now - 90}, key, algorithm=name, headers={"kid": name})
        bad[f"{name} early"] = jwt.encode(claims | {"nbf": now + 90}, key, algorithm=name, headers={"kid": name})
        bad[f"{name} for others"] = jwt.encode(claims | {"aud": "other"}, key, algorithm=name, headers={"kid": name})
        # The public key, which everyone has, as the secret of HMAC: the confusion of algorithms. PyJWT refuses to do it.
        form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        head = encoded({"alg": "HS256", "typ": "JWT", "kid": name}) + "." + encoded(claims)
        mac = hmac.digest(key.public_key().public_bytes(*form), head.encode(), hashlib.sha256)
        bad[f"{name} as HS256"] = head + "." + base64.urlsafe_b64encode(mac).rstrip(b"=").decode()
    bad["PS256"] = jwt.encode(claims, kinds["RS256"], algorithm="PS256", headers={"kid": "RS256"})
    bad["RS512"] = jwt.encode(claims, kinds["RS256"], algorithm="RS512", headers={"kid": "RS256"})
    bad["none"] = jwt.encode(claims, None, algorithm="none")
    bad["another key"] = jwt.encode(claims, ec.generate_private_key(ec.SECP256R1()), algorithm="ES256", headers={"kid": "ES256"})
    (folder / "jwks.json").write_text(json.dumps({"keys": keys}))
    (folder / "tokens.json").write_text(json.dumps({"good": good, "bad": bad}))


def verify(keys, token):
    key = jwt.PyJWKSet.from_json(keys)[jwt.get_unverified_header(token)["kid"]]
    claims = jwt.decode(token, key, algorithms=["EdDSA"], audience="aimds", issuer="https://id.example")
    assert claims["sub"] == "app-7" and claims["exp"] - claims["iat"] == 3600, claims


if sys.argv[1] == "make":
    make(Path(sys.argv[2]))
else:
    verify(*sys.argv[2:4])
