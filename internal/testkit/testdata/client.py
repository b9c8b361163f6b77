"""Works through SMTP and IMAP with Python's own libraries, as the small programs of an office do."""

import email
import email.policy
import imaplib
import smtplib
import ssl
import sys
from email.message import EmailMessage

submission, imap, ca, login, password, waiting, registered = sys.argv[1:]
tls = ssl.create_default_context(cafile=ca)


def ask(answer, want="OK"):
    typ, data = answer
    assert typ == want, f"{typ} {data!r}, want {want}"
    return data


def send(subject):
    m = EmailMessage()
    m["From"], m["To"], m["Subject"] = login, login, subject
    m["Message-ID"] = f"<python-{subject[-1]}@client.test>"
    m.set_content("Nội dung thư có dấu.\n")
    m.add_attachment("tệp đính kèm\n".encode(), maintype="application", subtype="octet-stream", filename="tệp.txt")
    host, port = submission.rsplit(":", 1)
    with smtplib.SMTP(host, int(port), timeout=30) as s:
        s.starttls(context=tls)
        s.login(login, password)
        assert s.has_extn("8bitmime") and s.has_extn("smtputf8")
        s.send_message(m)


host, port = imap.rsplit(":", 1)
c = imaplib.IMAP4(host, int(port), timeout=30)
ask(c.starttls(ssl_context=tls))
ask(c.login(login, password))

# SMTP in, SEARCH, FETCH
send("Thư Python 1")
n = int(ask(c.select("INBOX"))[0])
assert n == 1, n
uid = ask(c.uid("SEARCH", "HEADER", "Message-ID", "<python-1@client.test>"))[0].split()
assert len(uid) == 1, uid
data = ask(c.uid("FETCH", uid[0], "(UID FLAGS BODY.PEEK[])"))
m = email.message_from_bytes(data[0][1], policy=email.policy.default)
assert m["Subject"] == "Thư Python 1", m["Subject"]
assert m.get_body().get_content().replace("\r\n", "\n") == "Nội dung thư có dấu.\n"
files = list(m.iter_attachments())
assert files[0].get_filename() == "tệp.txt" and files[0].get_content() == "tệp đính kèm\n".encode()

# IDLE, by hand: Python 3.11 has none of its own
assert "IDLE" in c.capabilities
c.send(b"i1 IDLE\r\n")
assert c.readline().startswith(b"+ ")
send("Thư Python 2")
line = c.readline()
assert line == b"* 2 EXISTS\r\n", line
c.send(b"DONE\r\n")
while not (line := c.readline()).startswith(b"i1 "):
    assert line.startswith(b"* "), line
assert line.startswith(b"i1 OK"), line

# APPEND, STORE, MOVE by UID, EXPUNGE
draft = b"From: a@client.test\r\nSubject: nh\xc3\xa1p\r\n\r\nch\xc6\xb0a xong\r\n"
typ, data = c.append("Drafts", r"(\Draft)", imaplib.Time2Internaldate(1_790_000_000), draft)
assert typ == "OK" and b"APPENDUID" in data[0], data
assert "MOVE" in c.capabilities
ask(c.uid("STORE", uid[0], "+FLAGS", r"(\Flagged $label1)"))
ask(c.uid("MOVE", uid[0], "Archive"))
assert int(ask(c.select("Archive"))[0]) == 1
flags = ask(c.uid("FETCH", "1", "(FLAGS)"))[0]
assert rb"\Flagged" in flags and b"$label1" in flags, flags
ask(c.uid("STORE", "1", "+FLAGS", r"(\Deleted)"))
ask(c.expunge())
assert int(ask(c.select("Archive"))[0]) == 0
assert int(ask(c.select("Drafts", readonly=True))[0]) == 1
assert ask(c.uid("FETCH", "1", "(BODY[])"))[0][1] == draft

# the unit's document: registered by moving it
assert int(ask(c.select(f'"{waiting}"'))[0]) == 1
uid = ask(c.uid("SEARCH", "ALL"))[0].split()[0]
ask(c.uid("MOVE", uid, f'"{registered}"'))
assert int(ask(c.select(f'"{registered}"'))[0]) == 1
ask(c.logout(), "BYE")
print("every step came true")
