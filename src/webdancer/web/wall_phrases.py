"""What pages say that only stand in the way, by kind: the phrases that `web.blocked` looks for.

In: nothing. Out: for each kind the patterns of a whole title and of the beginning of a sentence. A sentence of an
article about such pages seldom begins so ("Service A shows a page titled ..."), a wall speaks to its reader at once.
English, German and Chinese, without regard to case; the wordings are ours. In the tables, `<error>`, `<human>`,
`<polite>` and `<code>` stand for the patterns of `SHORTHAND`.
"""

SHORTHAND = {
    "<error>": (
        r"(?:web ?page |page |file |site |url |resource |content )?(?:was )?not found|access denied|"
        r"(?:access )?forbidden|gone|(?:internal )?server error|service (?:temporarily )?unavailable|"
        r"bad gateway|gateway time-?out|too many requests|bad request|unauthori[sz]ed|method not allowed|"
        r"request time-?out|unavailable for legal reasons"
    ),
    "<human>": (
        r"(?:(?:you(?:'re| are)|you) (?:not a (?:ro)?bot|(?:a )?(?:real )?human)|"
        r"(?:you are )?not a (?:ro)?bot)"
    ),
    "<polite>": (
        r"(?:sorry[,.!]? |we(?:'re| are) sorry[,.!]? ?(?:but )?|unfortunately,? |oops[,.!]? |"
        r"whoops[,.!]? )?"
    ),
    "<code>": r"(?:40\d|41\d|42\d|451|50\d|52\d)",
}

# A whole title, or a part of it beside the name of the site.
TITLES: dict[str, tuple[str, ...]] = {
    "bot block": (
        r"just a moment|(?:one|wait a) moment(?:,? please)?|attention required",
        r"access (?:to this page has been )?blocked|access to this page has been denied|pardon our interruption",
        r"robot check|are you (?:a robot|human)\??|(?:making sure|verify|confirm)(?: that)? <human>.*",
        r"security (?:check|verification|challenge)|(?:human|bot|browser) (?:check|verification|challenge)",
        r"ddos[- ]?(?:protection|guard).*|checking your browser.*|(?:client )?challenge(?: page)?",
        r"request (?:unsuccessful|blocked|rejected)|(?:you have been |you are )?blocked",
        r"(?:suspicious|unusual) (?:activity|traffic).*|too much automated.*|verification(?: required)?|recaptcha",
        r"captcha|.{0,6}安全验证|访问验证|人机验证|滑动验证.*|身份验证|正在检查您?的浏览器.*|.*请求已被(?:拦截|阻断)",
        r"访问(?:被拒绝|过于频繁)|(?:nur )?einen moment,? ?(?:bitte)?|sicherheits(?:über)?prüfung",
        r"zugriff (?:verweigert|blockiert)",
    ),
    "error page": (
        r"http status \d+.*|(?:application|server|runtime|internal) (?:error|busy)|no results?(?: found)?",
        r".{0,12}(?:nicht erreichbar|无法访问)|we(?:'ll| will) be (?:right )?back.*",
        r"(?:website|page) (?:expired|missing)|not available|unavailable",
        r"(?:http |error\W+|fehler\W+)?<code>(?:\W+(?:error|fehler|<error>|.{0,20}verboten|不存在|错误))?",
        r"<polite>(?:error\W+)?(?:<error>)|error|fatal|whoops|oops|(?:an )?error (?:has )?occurr?ed|database error",
        r"oops\W+that page can.t be found|.{0,20} error|(?:site|scheduled|down for|under)? ?maintenance(?: mode)?",
        (
            r"(?:this )?(?:page|content|product|site|video|topic)(?: is|'s|s)?(?:n't| not| no longer) (?:available|"
            r"found).*"
        ),
        r"problem loading .*|account suspended|error\W+the request could not be satisfied|not available in your .*",
        r"(?:页面|网页|您访问的页面)(?:不存在|找不到|未找到|丢失)|错误(?:提示|页面)?|出错了|网站维护中?",
        r"系统(?:错误|维护)|404页面|(?:die )?seite (?:wurde )?nicht gefunden|fehler(?:seite)?",
        r"interner (?:server)?fehler|wartung(?:sarbeiten|smodus)?|nicht gefunden|zugriff verboten",
    ),
    "consent": (
        r"before you continue.*|cookie(?:s| notice| consent| settings| hinweis|-hinweis| einstellungen| 提示|提示)",
        r"consent|(?:your )?privacy (?:choices|settings|gate|notice)|(?:we (?:value|care about|respect) )your privacy",
        r"age (?:check|verification|gate)|your data,? your choice|datenschutz-?einstellungen|cookie-?hinweis",
        r"隐私(?:声明|提示)",
    ),
    "login": (
        r"welcome back|restricted(?: area)?|(?:two|2)-(?:step|factor) verification|single sign-?on",
        r"authentication required|private (?:group|page|profile)|mein konto|my account|preview|log ?in|sign ?in",
        r"(?:please )?(?:log|sign) ?in(?: required| to .*)?|login (?:required|page)|(?:user )?login|register",
        r"members only|session (?:expired|timed out)|subscribe(?: to (?:read|continue).*| now)?|permission error",
        r"join .{1,30}|(?:用户)?登[录陆](?:页面)?|请先登[录陆]|会员登录|(?:bitte )?anmelden|anmeldung|einloggen",
        r"login erforderlich|access through your institution|zugang nur für .*",
    ),
    "empty": (
        r"launching soon|one second\W*|index of /.*|bald verfügbar|loading\W*|please wait\W*|untitled(?: document)?",
        r"redirecting\W*|coming soon|under construction|moved|加载中|正在加载|建设中|敬请期待|跳转中|im aufbau",
        r"baustelle|weiterleitung|laden\W*|react app|it works!?",
    ),
    "parked": (
        r".{0,60} (?:is|may be) for sale|domain(?: name)? (?:parked|expired|for sale|geparkt)|buy [a-z0-9-]+\.[a-z.]+",
        r"域名(?:出售|转让|过期)|welcome to [a-z0-9-]+\.[a-z.]+",
    ),
}

# How the sentences of a wall begin.
SENTENCES: dict[str, tuple[str, ...]] = {
    "bot block": (
        r"(?:checking|verifying) (?:your|the) (?:connection|browser)|[\w.-]+\.\w+ is (?:verifying|checking)",
        r"(?:we are )?making sure (?:your|the|it)|to keep (?:bots|robots|spam)|(?:pick|select|choose) all",
        (
            r"(?:please |to continue,? |before (?:you|we) .*)?(?:verify|confirm|prove|make sure|"
            r"check)\w*(?: that)? <human>"
        ),
        r"check(?:ing)? (?:if the site connection|your browser)|just a moment\W*$|performance (?:&|and) security by",
        r".{0,60} needs to review the security of your connection|(?:cloudflare )?ray[- ]id\s*[:：]|attention required",
        (
            r"(?:please )?(?:enable|switch on|turn on|activate) (?:js|javascript|scripts?|"
            r"cookies)(?: and (?:javascript|cookies|disable any ad ?blocker))?(?: to continue|, then reload|$|\.$|"
            r" and disable)"
        ),
        r"(?:please )?enable (?:cookies|javascript) and (?:javascript|cookies)|please enable cookies",
        r"please switch on scripts|sorry, you have been blocked|you are unable to access|why have i been blocked",
        r"this website is using a security serv|the action you just performed|there are several actions that",
        r"what can i do to resolve|you can email the site owner|please include what you were doing",
        r"(?:this|your) request (?:has been|was|is being) (?:blocked|verified|checked)",
        r"please wait while (?:your request|we (?:check|verify))|this process is automatic|your browser will redirect",
        r"access to this page has been denied|this may happen as a result|your browser does not support cookies",
        r"as you were browsing|there are a few reasons this might|to regain access|why did this happen",
        r"after completing the|(?:enter|type) the characters you see|sorry, we just need to make sure",
        r"for best results, please make sure your brow",
        r"(?:\W*but )?your (?:computer|network|ip)\b.*(?:automated|banned|blocked)",
        r"to protect our users, we can.t process|our systems have detected|this page checks to see",
        r"we(?:'ve| have)? (?:noticed|detected) (?:an )?(?:unusual|suspic)|to continue, please (?:click|tick|complete)",
        r"please make sure your browser supports|one more step|(?:please )?complet(?:e|ing) the (?:security|captcha)",
        r"(?:solve|complete) the captcha|(?:please )?(?:slide|drag) .*(?:puzzle|slider)|the site owner may have set",
        r"you (?:do not|don't) have access to [\w.-]+\.\w+|press (?:&|and) hold to (?:conf|prov|veri)|making sure you",
        r"you are seeing this because the admin|a proof of work|request unsuccessful|a required part of this",
        r"this may be due to a browser ext|please check your connection, disable",
        r"click here if you are not automatic.*5 sec|if (?:you believe this|this keeps happening)|if you are a human",
        r"i am human|before you go on to|are you a robot\W*$|we're sorry$|slow down|try different image",
        r"incident (?:id|no|number|[0-9a-f-]*\d)|click the box below",
        r".{0,30}(?:请|需要|以)?(?:完成|进行|通过)(?:下方|以下)?(?:人机|安全|滑块|图形)?(?:验证)",
        r"(?:亲，)?(?:请)?(?:向右)?(?:拖动|滑动)|正在检查您的浏览器|该过程是自动的|(?:您的)?访问(?:过于|太)频繁",
        r"您的访问(?:过于|太)频繁|请输入验证码|网络不给力|.{0,12}您的浏览器将|系统检测到",
        r".{0,30}您的(?:请求|访问)(?:已)?被(?:拦截|阻断|拒绝)|.*您访问的url有可能|您的ip|您的请求id",
        r"ihr browser wird (?:über|ge)prüft|ray-id|bitte bestätigen sie, dass sie (?:kein|ein)|lösen sie .*captcha",
        r"bestätigen sie, dass sie (?:kein|ein)|ihr(?:e)? (?:zugriff|anfrage) (?:wurde|ist) .*blockiert",
        r"wir haben ungewöhnliche|dies kann einige s|aktivieren sie javascript und cookies",
    ),
    "error page": (
        r"no (?:entry|results?|records?|page|item|user|such)\b.{0,50}(?:exists?|found|with|by|match)",
        r"there is (?:currently |presently )?no (?:text|page|user|such|content)|(?:a )?client-side exception",
        r"type exception|description the server|(?:the|our) (?:shop|store|site|service) is (?:closed|down|offline)",
        r"come back (?:in|later|soon)",
        (
            r"(?:this|the) (?:video|vacancy|job|post|account|profile|listing|group)\b.{0,50}(?:private|filled|"
            r"taken down|closed|removed|deleted|online)"
        ),
        r"you are being rate|we are having trouble|(?:der|dieser) dienst .{0,30}nicht|wir arbeiten",
        r"该(?:网址|页面|链接|文章|内容)|(?:http |error\W+|fehler\W+)?<code>(?:\W+(?:error|fehler))?\W*$",
        r"<code>\W+(?:<error>)\W*$|<polite>(?:<error>)\W*$",
        r"<polite>(?:an )?(?:unexpected |internal |fatal )?error (?:has )?occurr?ed",
        (
            r"<polite>(?:the|this|that) (?:requested )?(?:page|url|topic|thread|resource|product|item|file|document|"
            r"video|post|content|article|listing)\b.{0,60}(?:not found|(?:does|do)(?:n.t| not) exist|no longer|"
            r"not available|unavailable|not here|isn.t available|can.t be found|could not be found|was not found|"
            r"may have moved|has been (?:removed|deleted))"
        ),
        r"<polite>we (?:can.?t|could(?:n.t| not)|cannot) find|it (?:may|might) have been (?:moved|removed|deleted)",
        r"it looks like nothing was found|(?:maybe )?try (?:a|the|one of) (?:search|links)|you may have mistyped",
        r"something went wr|(?:please )?(?:try again|reload the page|retry|come back) (?:later|after|in a few)",
        r"please try again (?:later|in)|you (?:do not|don.t) have permission|the server (?:encountered|is temporarily)",
        r"please contact the (?:server )?admin|the (?:proxy|gateway|web) server? ?(?:did not|received|is|does)",
        r"the gateway did not|web server is down|the web server is",
        r"(?:we|our (?:servers|site|website)|this site|the site) (?:are|is) (?:currently|temporarily|down|under)",
        r"we(?:'ll| will) be back|thank you for your patience|you have sent too many|retry after",
        r"when this happens, it.s usually|see the error message|request from|the request could not|<code> error",
        r"request blocked|we can.t connect|there might be too much traffic|generated by",
        r"this account has been suspended|contact your hosting|error establishing a database|reference #|error code",
        r"as a result, the web page|if you are a visitor|not available in your",
        r"(?:unfortunately, )?(?:our|this) (?:website|content|service) is (?:currently )?(?:unavailable|not available)",
        r"we are engaged on|(?:php )?(?:fatal|parse) error|stack trace|apache/|additionally, a",
        r"more information about this error|we recognise you are attempting|(?:error )?(?:request|reference) id",
        r".{0,12}(?:页面|内容|文章|网页|链接|帖子|商品|主题).{0,16}(?:不存在|被删除|已删除|已失效|找不到|未找到|下架)",
        r"系统(?:繁忙|错误|维护)|(?:您)?(?:没有权限|无权)(?:访问|查看)|.{0,8}网站?(?:正在)?(?:维护|升级)",
        r"(?:哎呀|抱歉|很抱歉)，?(?:出错|您(?:访问|查找)的)|服务器(?:错误|内部|忙)|请稍后(?:再试|访问)",
        (
            r"(?:die|diese) (?:von ihnen )?(?:angeforderte |gesuchte )?seite .{0,30}(?:nicht gefunden|existiert|"
            r"nicht mehr|nicht verf)"
        ),
        r"diese seite existiert|bitte (?:prüfen sie die adresse|versuchen sie es)",
        r"es ist ein (?:interner |unerwarteter )?fehler|(?:sie haben )?keine berechtigung|wegen wartung",
        r"unsere (?:web)?seite ist .{0,20}nicht|nicht gefunden\W*$|seite nicht gef|sie haben keine",
    ),
    "consent": (
        (
            r"(?:by continuing|if you (?:continue|agree|choose|click).{0,40}cookies|this (?:site|website|"
            r"page) uses cookies)"
        ),
        r"(?:.{1,30} )?uses cookies",
        r"we (?:and|use|value|care|respect|store)\b.{0,80}(?:cookies|privacy|partners|personal data)",
        r"by continuing to (?:browse|use)|with your (?:permission|consent)",
        r"you (?:may|can) (?:click to|accept|manage|change).{0,60}(?:consent|choices|settings)",
        r"to continue, please accept|accept (?:all|and continue|cookies)|(?:reject|decline)(?: all)?",
        r"manage (?:options|cookies|preferences)|cookie (?:settings|policy|preferences)|more options|consent may be",
        r"read with adv|or subscribe ad-free|you must be (?:18|21)|please confirm your age|i am over|your data,? your",
        r"your privacy|got it$|agree$|before you continue|necessary cookies|cookies and (?:data|similar)",
        r"我们(?:使用|和).{0,12}cookie|.{0,20}本(?:网)?站使用\s?cookie|继续(?:浏览|使用)|(?:接受|拒绝)(?:全部|所有)",
        r"请同意|.{0,4}同意并继续",
        r"wir (?:und|nutzen|verwenden|respektieren|schätzen)\b.{0,80}(?:cookies|partner|privatsphäre|technologien)",
        r"alle akzeptieren|ablehnen$|einverstanden|zustimmen|mit werbung weiter|ihre (?:zustimmung|einwilligung)",
        r"oder werbefrei|diese (?:website|seite|webseite) (?:verwendet|nutzt) cookies|wenn sie .{0,40}weiter",
        r"dazu brauchen wir|mehr erfahren",
    ),
    "login": (
        r"enter your (?:e-?mail|username|password|name|code)|enter the (?:six|6)-?digit|keep me",
        r"(?:trouble|problems) (?:signing|logging)|only (?:registered|members|subscribers)|register (?:free|now)",
        r"you(?:'re| are) (?:out of|reading a preview)|(?:purchase|buy) (?:the|this) |become a (?:member|subscriber)",
        r"(?:request to join|join (?:this|to|now|our|us|the group))\b|(?:monthly|yearly) \d|authentication required",
        r"kennwort|einloggen|e-mail-adresse",
        (
            r"(?:please )?(?:log|sign) ?(?:in|up|on)\b(?: or .{0,20})?(?: (?:to|with|via|through|using|again|"
            r"now)\b.{0,60})?\W*$"
        ),
        (
            r"(?:username|user name|e-?mail(?: address)?|password|passwor[dt]|benutzername|"
            r"remember me)(?: or .{0,20})?\W*$"
        ),
        r"(?:create|register) (?:an|your|a free) account|forgot(?:ten)? (?:your )?passwor",
        r"(?:do you |don.t |already )?have an account|new here\?",
        r"you (?:must|need to|have to) (?:be logged|log|sign|register)",
        r"(?:this|the) (?:article|content|story|page|section) is (?:for|only|available to|reserved|limited)",
        r"subscribe (?:now |today )?(?:to (?:read|continue|keep|the|unlock)|for (?:un|full))",
        r"already a (?:subscriber|member)|you(?:'ve| have) (?:reached|read|used).{0,30}(?:limit|free articles)",
        r"to (?:read|continue rea).{0,30}(?:subscri|article)|get (?:access|unlimited)",
        r"(?:the )?action you have requested is limited|your session (?:has|was)|(?:please )?(?:sign|log) in",
        r"by signing up|sign up to|(?:standard|premium) digital|cancel any ?time|unlimited access|buy arti",
        r"please enter your|subscribe to|log in (?:or|to)",
        r"(?:用户名|密码|手机号|账号|记住我|登[录陆]|注册|忘记密码|立即注册|扫码登录\S*)[？?。！]?$|还?没有[账帐]号",
        r".{0,12}(?:您)?(?:尚未|需要)登[录陆]|.{0,16}(?:登[录陆]后|登录即)",
        r".{0,10}(?:会员专享|开通会员|付费阅读|订阅后)|已是会员|.{0,6}请登[录陆]|请先登|angemeldet bleiben|anmelden$",
        r"passwort vergessen|noch kein konto|jetzt (?:registrieren|weiterlesen|anmelden|abonnieren)",
        r"dieser (?:artikel|inhalt|beitrag) ist (?:nur|exklusiv)|bereits (?:abonnent|registriert|kunde)",
        r"bitte (?:melden sie sich|loggen)|hier anmelden|weiterlesen mit",
    ),
    "empty": (
        r"this (?:app|application|viewer|site|page) (?:needs|requires)|getting (?:things|everything|it) ",
        r"loading \w+\W*$|hello world|welcome to your new|this is your first post|parent directory",
        r"to view this content you need|something (?:great|new|big) is|leave your e-?mail|loading\W*$",
        r"loading,? please wait|please wait\W*$|(?:you need to |please )?enable javascript to",
        r"javascript is (?:disab|requi)|(?:this (?:app|page|site|website) )?(?:requires|needs) javascript",
        r"please enable javascript\b(?! and)|(?:our )?(?:new )?(?:web)?site is coming soon|coming soon|stay tuned",
        r"this (?:page|site) is under construction|under construction|if you are not redir",
        r"this (?:page|site|document) has moved|click here (?:if|to be)",
        r"(?:this|your) browser (?:is|does) (?:no longer|not)\b",
        r"please (?:switch to a|upgrade your|use a) .{0,20}browser|this is the default",
        r"the web server software is running|it works|you (?:are|will be) (?:being )?redirected|redirecting",
        r"请(?:启用|开启)\s?javascript|正在(?:加载|跳转)|加载中|.{0,8}正在建设|敬请期待",
        r"bitte (?:aktivieren|schalten) sie javascript|hier entsteht|sie werden (?:um|weiter)geleitet",
        r"falls nicht, klicken|bitte warten|wird geladen|diese seite befindet sich im",
    ),
    "parked": (
        r"premium domain|future home of|parked by|the hosting for this|make this name|此域名|die domain\b",
        r"(?:this|the) domain\b.{0,60}(?:for sale|registered|parked|expired|available|suspended)|buy this domain",
        r"get this domain|the owner of .{1,40} is offering|is available for purchase|make an offer|is this your domain",
        r"inquire here|this web ?page was gen|related searches|sponsored listings|if you are the registered",
        r"renew (?:it|your)|safe and secure transfer|buyer protection|let's turn it into",
        r"(?:the )?domain name\b.{0,60}(?:for sale|expired|parked)|.{0,8}域名(?:正在|已)?(?:出售|过期|转让)",
        r"如果您对该域名|该域名|diese domain (?:steht|wurde|ist)|jetzt angebot|domain kaufen",
    ),
}

# Says nothing for or against: buttons, addresses, identifiers, names of servers.
NEUTRAL = (
    (
        r"(?:ok|home|contact|sitemap|back|menu|search|go back|continue(?: shopping)?|learn more|(?:reject|accept|"
        r"cancel|close|help|leave)|settings|privacy policy|terms|back to .{0,20}page|more|retry|reload|返回首页|返回|"
        r"首页|联系我们|关闭|zur startseite|zurück|hilfe|einstellungen|accept|24/7 support)\W*$"
    ),
    r"nginx\b.{0,12}$|apache\b.{0,30}$|cloudflare$|openresty.{0,12}$",
    r"(?:ip|time|timestamp|your ip|incident|reference|vorgang\w*|id)\b.{0,12}[:#：]?.{0,40}\d|https?://\S+$|[\d\W]+$",
    r"\w{1,2}$|(?:©|copyright).*|.{0,30}ltd$",
)


def pattern(words: tuple[str, ...]) -> str:
    """The alternatives of a table as one regular expression, shorthand written out.

    >>> pattern(("error <code>", "oops"))
    '(?:error (?:40\\\\d|41\\\\d|42\\\\d|451|50\\\\d|52\\\\d)|oops)'
    """
    found = "|".join(words)
    for short, written_out in SHORTHAND.items():
        found = found.replace(short, written_out)
    return f"(?:{found})"
