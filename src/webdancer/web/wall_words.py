"""Words that a page which only stands in the way uses, by kind, where it speaks to its reader; for `web.blocked`.

In: nothing. Out: patterns. `web.wall_phrases` knows how walls commonly begin their sentences; these words find the
others: "Tick the box so that we know that there is a person" begins like no wall before it, but says "we" and "person".
English, German and Chinese, without regard to case; the words are ours.
"""

# Words of each kind, for sentences that speak to the reader (`ADDRESS`, `SPEAKER`) or are no longer than a button.
STEMS: dict[str, tuple[str, ...]] = {
    "bot block": (
        r"refused|(?:real|behind (?:this|your)) (?:person|browser)|connection is|keep bots|data-?cent(?:re|er)",
        r"browser check|\b(?:ro)?bots?\b|\bhuman|captcha|automat|security|challenge|suspicious|unusual|block(?:ed|ing)",
        r"\bbanned|firewall|(?<![\w-])proxy|\bvpn\b|(?:your|real) (?:browser|connection|network|device)|ip[- ]address",
        r"requests\b|puzzle|(?:pictures?|images?)\b|real person|scrap(?:er|ing)|crawl|characters|fingerprint",
        r"\bscripts?\b|roboter|mensch|sicherheit|anfragen|ungewöhnlich|blockier|zeichen|bilder|rätsel|überprüf",
        r"ihr(?:e[nm]?)? (?:browser|netzwerk)|机器人|验证|安全|异常|频繁|字符|拦截|滑块|人机|浏览器",
    ),
    "error page": (
        r"exception|come back|try later|\bbusy\b|wandered|lost your way|working on it|taken down|wir arbeiten daran",
        r"nicht zur verfügung|not (?:be )?found|missing|n.t exist|not exist|no longer|\bunavailable|errors?\b|broken",
        r"went wrong|removed|deleted|\bmoved|failed|problems?\b|trouble|difficult|maintenance|\bdown\b|try again",
        r"refresh|reload|rate[- ]limit|expired|no such|not available|unexpected|mistyped|spelled|could ?n.t|cannot",
        r"can't|occurred|permission|\bgone\b|\bmissed|start ?page|homepage|link you follow",
        r"(?:nicht|keine?) .{0,20}(?:gefunden|verfügbar|existiert|erreichbar|gibt)|gibt es .{0,12}nicht|fehler",
        r"gelöscht|vertippt|wartung|später|verschoben|不存在|找不到|删除|失效|下线|错误|出错|稍后|维护|刷新|无法|繁忙",
        r"有误|移走",
    ),
    "consent": (
        r"cookies?|privacy|consent|\bpartners|vendors|tracking|personali[sz]|personal data|\baccept|\bagree|years old",
        r"\bage\b|\badults?|\bterms\b|analytics|advert|\bads\b|(?:essential|necessary) |allow (?:all|every)|reject",
        r"einwillig|zustimm|privatsphäre|datenschutz|partner|werbung|akzeptier|erlauben|ablehnen|notwendige|jahre alt",
        r"volljährig|隐私|同意|接受|条款|个性化|年满",
    ),
    "login": (
        r"authenticat|preview of|only (?:registered|members|for)|join this|request to join|out of free|keep reading",
        r"log(?:ged)?[- ]?in\b|log on|sign(?:ed)?[- ]?(?:in|up)|pass(?:word|phrase|code)|user ?name|\baccount",
        r"regist(?:er|rat)|\bmembers?\b|subscri|(?:free|more) (?:articles|stories)|unlock|(?:keep|continue) reading",
        r"purchase|authenticat|credential|institution|premium|free trial|e-?mail|anmeld|einlogg|kennwort|passwort",
        r"konto|registrier|abo\b|abonn|weiterlesen|mitglied|freischalten|zugangsdaten|登[录陆]|注册|密码|账号|帐号",
        r"会员|订阅|付费|购买|验证码登|解锁",
    ),
    "empty": (
        r"scripts? (?:turned|switched) on|needs? a modern|getting (?:things )?ready|hello world|your new site",
        r"parent directory|first to know|on its way|needs? .{0,12}plug-?in|javascript|\bscripts?\b|loading|redirect",
        r"coming soon|construction|supported|launch|please wait|stay tuned|plug-?in|ready\b|modern browser|lädt",
        r"geladen|weitergeleitet|in kürze|bald\b|aufbau|加载|跳转|建设|启用|敬请",
    ),
    "parked": (
        r"premium domain|hosting .{0,30}expired|future home of|parked by|make this name|此域名|\bdomains?\b|for sale",
        r"registrar|\bparked|hosting|\brenew|make an offer|\bbids?\b|域名|报价|转让|注册商|出售|zum verkauf|kaufen",
    ),
}

BUTTON = 28  # characters: a line no longer than this may be a button

# Speaks to the reader, or for the site.
ADDRESS = (
    r"\b(?:you|your|yours|please|yourself)\b",
    (
        r"^(?:click|press|tap|tick|enter|type|select|pick|choose|solve|complete|try|reload|refresh|enable|allow|"
        r"disable|switch|turn|verify|confirm|check|slide|drag|wait|return|go back|log|sign|register|subscribe|join|"
        r"accept|agree|continue|contact|buy|make|get|use|leave)\b"
    ),
    r"\b(?:sie|ihre?[nmrs]?|bitte|dein\w*)\b|您|你|请|点击|立即|返回",
)
SPEAKER = (r"\b(?:we|we're|we've|our|us|sorry|unfortunately|wir|uns|unser\w*|leider)\b|我们|抱歉|本站|本网站",)

# Titles of texts that explain, and of what is made.
EXPLAINS = (
    (
        r"(?:how|why|what|when|who|which|writing|using|a guide|guide|tutorial|list of|q:|faq|wie|warum|was|如何|怎么|"
        r"为什么|什么是)\b.{8,}"
    ),
    r".*\((?:\w+ ){0,2}\w+\)|(?:如何|怎么|为什么|什么是).+|.*(?:分析|手册|的原因|教程)|\w+ \d+\.\d+(?:\.\d+)?",
)
